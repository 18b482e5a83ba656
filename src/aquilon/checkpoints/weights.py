"""Read weights into a transformer, dequantized."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.tensors import BLOCK_SIZES, CheckpointError, TensorEntry, parts
from aquilon.models.transformer import Transformer

_DTYPES = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}

_VALUES_AT_ONCE = 2**22
"""Dequantizing takes several times its output in temporary arrays: bounded by working on so many values at once."""


def load_tensor(entry: TensorEntry) -> Tensor:
    """A weight in our shape: in its own dtype where the file holds plain floats, else dequantized to fp32."""
    if entry.scale is None and entry.block_type in _DTYPES:
        return _plain(entry).clone()
    values = torch.empty(entry.shape, dtype=torch.float32)
    copy_tensor(entry, values)
    return values


def copy_tensor(entry: TensorEntry, target: Tensor) -> None:
    """Write a weight into ``target``, which has the entry's shape and any dtype and device."""
    if entry.block_type in _DTYPES:
        if entry.scale is None:
            target.copy_(_plain(entry))
        else:
            target.copy_(_scaled(entry, entry.scale))
        return
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    kind = GGMLQuantizationType[entry.block_type]
    blocks = entry.raw()
    values, size = BLOCK_SIZES[entry.block_type]
    rows_at_once = max(1, _VALUES_AT_ONCE // (entry.row_bytes // size * values))
    for start in range(0, len(blocks), rows_at_once):
        chunk = blocks[start : start + rows_at_once]
        target[start : start + len(chunk)].copy_(torch.from_numpy(dequantize(chunk, kind)))


def _plain(entry: TensorEntry) -> Tensor:
    """Floats as the file has them, read-only: a view of the mapped file where it is aligned to them."""
    blocks = entry.raw()
    dtype = _DTYPES[entry.block_type]
    if entry.file.data.ctypes.data + entry.offset & (dtype.itemsize - 1) or not blocks.flags.writeable:
        blocks = np.array(blocks)
    return torch.from_numpy(blocks.reshape(-1)).view(dtype).reshape(entry.shape)


def _scaled(entry: TensorEntry, scale: TensorEntry) -> Tensor:
    """8-bit floats times their scale, fp32."""
    values = _plain(entry).float()
    factors = _plain(scale).float()
    if entry.scale_block is None:
        return values * factors.reshape(())
    rows, columns = entry.scale_block
    factors = factors.repeat_interleave(rows, 0)[: entry.shape[0]]
    return values * factors.repeat_interleave(columns, 1)[:, : entry.shape[1]]


def load_transformer(
    checkpoint: Checkpoint,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    progress: Callable[[float], None] = lambda share: None,
) -> Transformer:
    """The checkpoint's transformer with plain weights; ``progress`` hears the share of bytes read, 0 to 1."""
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
