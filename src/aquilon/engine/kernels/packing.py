"""Weights in the order that the kernels read them."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

from aquilon.engine.kernels.library import Matrix, load
from aquilon.engine.kernels.quanta import GROUP, Bytes, Quanta

PANEL = 16


class PackedMatrix:
    """One weight of (outputs, inputs) as panels of 16 outputs; owns the memory that ``matrix`` points into."""

    def __init__(self, quanta: Quanta) -> None:
        outputs, inputs = quanta.q.shape
        groups, panels = inputs // GROUP, -(-outputs // PANEL)
        wide = quanta.scale.dtype == np.float32
        scale_bytes = groups * PANEL * (4 if wide else 2) * (1 if quanta.offset is None else 2)
        self.memory = _pages(panels * (inputs * PANEL * quanta.bits // 8 + scale_bytes))
        zero = quanta.zero if quanta.offset is None else -1
        self.matrix = Matrix(self.memory.ctypes.data, outputs, inputs, quanta.bits, zero, int(wide), 0)
        q, scale = np.ascontiguousarray(quanta.q), np.ascontiguousarray(quanta.scale)
        offset = None if quanta.offset is None else np.ascontiguousarray(quanta.offset, dtype=scale.dtype)
        load().aq_pack(
            ctypes.byref(self.matrix), q.ctypes.data, scale.ctypes.data, None if offset is None else offset.ctypes.data
        )

    @property
    def nbytes(self) -> int:
        return self.memory.nbytes


def _pages(size: int) -> Bytes:
    """Memory aligned to a page, with huge pages where the system has them: fewer address translations."""
    pages = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, np.uint8)[:size]
