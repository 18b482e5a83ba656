"""Vectors in the forms that clients ask for: fewer dimensions, fewer bits, base64.

A vector is 32-bit floats, little end first.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from aquilon.embeddings.request import DataType

if TYPE_CHECKING:
    from numpy.typing import NDArray


def shortened(vector: bytes, dimensions: int) -> bytes:
    """The first ``dimensions`` of a vector, scaled to length 1."""
    import numpy as np

    kept = np.frombuffer(vector, "<f4")[:dimensions]
    length = float(np.linalg.norm(kept))
    return (kept / length if length else kept).astype("<f4").tobytes()


def numbers(vector: bytes, kind: DataType) -> list[float] | list[int]:
    """The vector's numbers for JSON.

    ``int8`` scales each vector's largest value to 127, so that angles between vectors
    stay; ``uint8`` is that plus 128. ``ubinary`` packs eight signs into a number, the first
    as its highest bit; ``binary`` is that minus 128.
    """
    return _array(vector, kind).tolist()  # type: ignore[no-any-return]


def encoded(vector: bytes, kind: DataType) -> str:
    """The same numbers as bytes in base64: 32-bit floats, or one byte for each number."""
    if kind == "float":
        return base64.b64encode(vector).decode()
    return base64.b64encode(_array(vector, kind).tobytes()).decode()


def _array(vector: bytes, kind: DataType) -> NDArray[Any]:
    import numpy as np

    floats = np.frombuffer(vector, "<f4")
    if kind == "float":
        return floats
    if kind in ("binary", "ubinary"):
        bits = np.packbits(floats > 0)
        return bits if kind == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    largest = float(np.abs(floats).max(initial=0.0))
    whole = np.rint(floats / largest * 127) if largest else np.zeros_like(floats)
    return whole.astype(np.int8) if kind == "int8" else (whole + 128).astype(np.uint8)
