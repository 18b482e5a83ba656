"""The safetensors container: a JSON header with each tensor's place, then data.

We read it ourselves so that the API process knows shapes without torch, and so that
every error names the file and the tensor. The rules are those of the safetensors
format: offsets begin at 0, leave no hole and end with the file.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

from aquilon.checkpoints.json_file import parse_object
from aquilon.checkpoints.tensors import BLOCK_SIZES, CheckpointError, MappedFile, TensorEntry

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
}


@dataclass(frozen=True)
class StoredTensor:
    name: str
    shape: tuple[int, ...]
    dtype: str
    _: KW_ONLY
    file: MappedFile
    offset: int
    """From the start of the file."""


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of one file by name; raises CheckpointError for a damaged header or a truncated file."""
    try:
        with path.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(0)
            start = opened.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
                raise CheckpointError(path, f"is not safetensors: {size} bytes with a header of {length}")
            text = opened.read(length)
    except OSError as error:
        raise CheckpointError(path, f"can't be read: {error.strerror or error}") from error
    header = parse_object(path, text, "its header")
    header.pop("__metadata__", None)
    file = MappedFile(path, size)
    tensors = [_described(path, file=file, name=name, value=value, base=8 + length) for name, value in header.items()]
    end, previous = 8 + length, ""
    for tensor, tensor_end in sorted(tensors, key=lambda placed: (placed[0].offset, placed[1])):
        if tensor.offset != end:
            relation = f"lies over {previous!r:.80}" if tensor.offset < end else "leaves a hole before it"
            raise CheckpointError(path, f"the tensor {tensor.name!r:.80} {relation}")
        end, previous = tensor_end, tensor.name
    if end != size:
        what = "is cut off" if end > size else "has bytes at its end that belong to no tensor"
        raise CheckpointError(path, f"{what}: its tensors end at byte {end} of {size}")
    return {tensor.name: tensor for tensor, _ in tensors}


def _described(path: Path, *, file: MappedFile, name: str, value: Any, base: int) -> tuple[StoredTensor, int]:
    """One tensor of the header and the byte where it ends."""
    what = f"the tensor {name!r:.80}"
    match value:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(start), int(end)]}:
            pass
        case _:
            raise CheckpointError(path, f"{what} is described by {value!r:.80}")
    if dtype not in _BYTES:
        raise CheckpointError(path, f"{what} has the unsupported type {dtype!r:.20}")
    if len(shape) > 8 or not all(type(length) is int and 0 <= length <= 2**40 for length in shape):
        raise CheckpointError(path, f"{what} has the shape {shape!r:.80}")
    if start < 0 or end - start != math.prod(shape) * _BYTES[dtype]:
        raise CheckpointError(path, f"{what} has the shape {shape} and {end - start} bytes")
    return StoredTensor(name, tuple(shape), dtype, file=file, offset=base + start), base + end


def read_all(files: Iterable[Path]) -> dict[str, StoredTensor]:
    """The tensors of a checkpoint in several files; raises CheckpointError if two files hold the same tensor."""
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        for name, tensor in read_safetensors(file).items():
            if name in tensors:
                raise CheckpointError(file, f"holds {name!r:.80}, which {tensors[name].file.path.name} holds too")
            tensors[name] = tensor
    return tensors


def tensor_entry(
    tensor: StoredTensor,
    name: str,
    *,
    paired_heads: int = 0,
    scale: StoredTensor | None = None,
    scale_block: tuple[int, int] | None = None,
) -> TensorEntry:
    """A tensor under our name; raises CheckpointError for an unsupported type or scale.

    8-bit floats need a ``scale``: one value, or one for each ``scale_block`` (rows, columns) of the matrix.
    """
    if tensor.dtype not in BLOCK_SIZES:
        raise CheckpointError(tensor.file.path, f"{tensor.name} is {tensor.dtype}: weights are floating-point numbers")
    entry = TensorEntry(
        name, tensor.shape, tensor.dtype, file=tensor.file, offset=tensor.offset, paired_heads=paired_heads
    )
    if not tensor.dtype.startswith("F8"):
        return entry
    if scale is None:
        raise CheckpointError(tensor.file.path, f"{tensor.name} is {tensor.dtype} and has no scale")
    if scale.dtype not in ("F32", "F16", "BF16"):
        raise CheckpointError(scale.file.path, f"{scale.name} is {scale.dtype}: a scale is a floating-point number")
    scale_shape = scale.shape or (1,)
    if scale_shape == (1,):
        scale_block = None
    elif (
        scale_block is None
        or paired_heads
        or len(tensor.shape) != 2
        or scale.shape != tuple(-(-length // side) for length, side in zip(tensor.shape, scale_block, strict=True))
    ):
        raise CheckpointError(scale.file.path, f"{scale.name} has the shape {list(scale.shape)}")
    scale_entry = TensorEntry(scale.name, scale_shape, scale.dtype, file=scale.file, offset=scale.offset)
    return replace(entry, scale=scale_entry, scale_block=scale_block)
