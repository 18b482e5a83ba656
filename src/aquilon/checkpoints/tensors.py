"""A tensor in a checkpoint's file: its name in our architecture, its format, and where its bytes are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from aquilon.models.architecture import Architecture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CheckpointError(ValueError):
    """A checkpoint that can't be read; the message names the file and what is wrong with it."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


BLOCK_SIZES: Mapping[str, tuple[int, int]] = {
    "F32": (1, 4),
    "F16": (1, 2),
    "BF16": (1, 2),
    "F8_E4M3": (1, 1),
    "F8_E5M2": (1, 1),
    "Q4_0": (32, 18),
    "Q4_1": (32, 20),
    "Q5_0": (32, 22),
    "Q5_1": (32, 24),
    "Q8_0": (32, 34),
    "Q2_K": (256, 84),
    "Q3_K": (256, 110),
    "Q4_K": (256, 144),
    "Q5_K": (256, 176),
    "Q6_K": (256, 210),
    "IQ1_S": (256, 50),
    "IQ1_M": (256, 56),
    "IQ2_XXS": (256, 66),
    "IQ2_XS": (256, 74),
    "IQ2_S": (256, 82),
    "IQ3_XXS": (256, 98),
    "IQ3_S": (256, 110),
    "IQ4_NL": (32, 18),
    "IQ4_XS": (256, 136),
    "TQ1_0": (256, 54),
    "TQ2_0": (256, 66),
    "MXFP4": (32, 17),
    "NVFP4": (64, 36),
}
"""Values and bytes of one block of each format that can be read; a row is a whole number of blocks."""


class MappedFile:
    """A file mapped into memory when it is first read from."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        """Bytes, as the file was when it was opened."""

    @cached_property
    def data(self) -> NDArray[np.uint8]:
        import numpy as np

        try:
            data = np.memmap(self.path, dtype=np.uint8, mode="r")
        except (OSError, ValueError) as error:
            raise CheckpointError(self.path, f"can't be read: {error}") from error
        if len(data) != self.size:
            raise CheckpointError(self.path, f"was {self.size} bytes when it was opened and is {len(data)} now")
        return data


@dataclass(frozen=True)
class TensorEntry:
    """One weight: a matrix ``(outputs, inputs)`` or a vector, in the file's own block format."""

    name: str
    """Our name, as in ``Architecture.parameter_shapes``."""
    shape: tuple[int, ...]
    block_type: str
    """A key of ``BLOCK_SIZES``."""
    _: KW_ONLY
    file: MappedFile = field(repr=False)
    offset: int
    paired_heads: int = 0
    """If not 0: so many heads, in each of which the file stores the two dimensions of a rotary pair side by side.
    We need them half a head apart."""
    scale: TensorEntry | None = None
    """The factor of 8-bit floats."""
    scale_block: tuple[int, int] | None = None
    """Rows and columns that share a value of the scale; None: all share one."""
    updates: tuple[LowRankUpdate, ...] = ()
    """What adapters add to the stored values."""

    @property
    def rows(self) -> int:
        """A matrix's outputs; in a vector every value is a row."""
        return self.shape[0] if self.shape else 1

    @property
    def row_bytes(self) -> int:
        values, size = BLOCK_SIZES[self.block_type]
        return math.prod(self.shape[1:]) // values * size

    @property
    def nbytes(self) -> int:
        return self.rows * self.row_bytes

    def raw(self) -> NDArray[np.uint8]:
        """The blocks without updates, ``(rows, row_bytes)``, rows in our order: the mapped file itself, or, where
        ``paired_heads`` reorders it, a copy."""
        stored = self.file.data[self.offset : self.offset + self.nbytes].reshape(self.rows, self.row_bytes)
        if not self.paired_heads:
            return stored
        half = self.rows // self.paired_heads // 2
        pairs = stored.reshape(self.paired_heads, half, 2, self.row_bytes)
        return pairs.swapaxes(1, 2).reshape(self.rows, self.row_bytes)


@dataclass(frozen=True)
class LowRankUpdate:
    """The product ``scale · B A`` that an adapter adds to a matrix ``(outputs, inputs)``."""

    a: TensorEntry
    """``(rank, inputs)``"""
    b: TensorEntry
    """``(outputs, rank)``"""
    scale: float


FUSED: Mapping[str, tuple[str, ...]] = {
    "attention.qkv": ("attention.query", "attention.key", "attention.value"),
    "gate_up": ("gate", "up"),
}
"""Modules of the transformer whose outputs are several of a checkpoint's tensors, one after the other."""


def parts(parameter: str) -> list[str]:
    """The checkpoint's tensors that make one of the transformer's parameters, in the order of its rows."""
    module, _, kind = parameter.rpartition(".")
    for fused, names in FUSED.items():
        if module == fused or module.endswith("." + fused):
            stem = module[: len(module) - len(fused)]
            return [f"{stem}{name}.{kind}" for name in names]
    return [parameter]


def check_tensors(architecture: Architecture, tensors: Mapping[str, TensorEntry], path: Path) -> None:
    """Raises CheckpointError unless the tensors are exactly those of the architecture, with its shapes."""
    expected = architecture.parameter_shapes()
    for name, shape in expected.items():
        entry = tensors.get(name)
        if entry is None:
            raise CheckpointError(path, f"the tensor {name} is missing")
        if entry.shape != shape:
            raise CheckpointError(path, f"the tensor {name} has the shape {list(entry.shape)} instead of {list(shape)}")
        if len(shape) == 1 and BLOCK_SIZES[entry.block_type][0] > 1:
            raise CheckpointError(path, f"the tensor {name} is a vector in blocks of {entry.block_type}")
    unknown = sorted(tensors.keys() - expected.keys())
    if unknown:
        raise CheckpointError(path, f"the tensor {unknown[0]} is not part of a {architecture.family} model")
