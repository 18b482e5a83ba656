"""Read and dequantize weights into a transformer, and take a transformer's weights apart again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aquilon.checkpoints.adapters import Adapter
from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.tensors import BLOCK_SIZES, CheckpointError, TensorEntry, parts
from aquilon.models.architecture import Architecture
from aquilon.models.transformer import Transformer

_DTYPES = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}

_VALUES_AT_ONCE = 2**22
"""Temporary arrays are several times as large as the weights, so that only so many values are read at once."""


def load_tensor(entry: TensorEntry) -> Tensor:
    """A weight in our shape: plain floats in their own dtype, others dequantized to fp32, with updates added."""
    plain = entry.scale is None and not entry.updates and entry.block_type in _DTYPES
    values = torch.empty(entry.shape, dtype=_DTYPES[entry.block_type] if plain else torch.float32)
    copy_tensor(entry, values)
    return values


def copy_tensor(entry: TensorEntry, target: Tensor) -> None:
    """Write a weight into ``target``, which has the entry's shape and any dtype and device."""
    blocks = entry.raw()
    values, size = BLOCK_SIZES[entry.block_type]
    rows_at_once = max(1, _VALUES_AT_ONCE // (entry.row_bytes // size * values))
    factors = None if entry.scale is None else load_tensor(entry.scale).float()
    updates = [(update.scale, load_tensor(update.a).float(), load_tensor(update.b).float()) for update in entry.updates]
    for start in range(0, entry.rows, rows_at_once):
        part = target[start : start + rows_at_once]
        decoded = _decoded(blocks[start : start + rows_at_once], entry.block_type).reshape(part.shape)
        if factors is not None:
            decoded = decoded.float() * _spread(factors, block=entry.scale_block, start=start, shape=part.shape)
        for scale, a, b in updates:
            decoded = decoded.float().addmm(b[start : start + len(part)], a, alpha=scale)
        part.copy_(decoded)


def _decoded(blocks: NDArray[np.uint8], block_type: str) -> Tensor:
    """Rows of blocks ``(rows, row_bytes)`` as values ``(rows, columns)``, fp32 or the file's own floats."""
    if block_type in _DTYPES:
        return torch.from_numpy(np.array(blocks)).view(_DTYPES[block_type])
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    return torch.from_numpy(dequantize(blocks, GGMLQuantizationType[block_type]))


def _spread(factors: Tensor, *, block: tuple[int, int] | None, start: int, shape: torch.Size) -> Tensor:
    """The factor of each value in the rows from ``start``: one for all, or one for each block."""
    if block is None:
        return factors.reshape(())
    rows = torch.arange(start, start + shape[0]) // block[0]
    columns = torch.arange(shape[1]) // block[1]
    return factors[rows][:, columns]


def load_transformer(
    checkpoint: Checkpoint,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    progress: Callable[[float], None] = lambda share: None,
) -> Transformer:
    """The checkpoint's transformer with plain weights; ``progress`` is called with the share of bytes read, 0 to 1."""
    transformer = Transformer(checkpoint.architecture, dtype=dtype, device=device)
    tensors = checkpoint.tensors()
    done, total = 0, max(1, checkpoint.weight_bytes)
    progress(0.0)
    with torch.no_grad():
        for name, parameter in transformer.named_parameters():
            start = 0
            for part in parts(name):
                entry = tensors[part]
                copy_tensor(entry, parameter[start : start + entry.rows])
                start += entry.rows
                done += entry.nbytes
                progress(done / total)
            if start != len(parameter):
                raise CheckpointError(checkpoint.path, f"{name} has {start} rows instead of {len(parameter)}")
    return transformer.eval().requires_grad_(False)


def unfused(parameters: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """A transformer's parameters as views by the names of ``Architecture.parameter_shapes``."""
    shapes = architecture.parameter_shapes()
    weights: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        names = parts(name)
        if names[0] in shapes:  # a tied head isn't
            weights |= zip(names, torch.split(parameter, [shapes[part][0] for part in names]), strict=True)
    return weights


def merge(adapter: Adapter, transformer: Transformer) -> None:
    """Add the adapter's updates to the transformer's weights. Raises OtherBase."""
    adapter.require_base(transformer.architecture)
    weights = unfused(dict(transformer.named_parameters()), transformer.architecture)
    with torch.no_grad():
        for name, (a, b) in adapter.updates.items():
            target = weights[name]
            update = load_tensor(b).float() @ load_tensor(a).float()
            target.copy_(target.float() + adapter.scale * update.to(target.device))
