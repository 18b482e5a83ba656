"""Vectors in the forms that clients ask for: fewer dimensions, fewer bits, base64.

A vector is 32-bit floats, little end first.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
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


def similarities(query: bytes, passages: Sequence[bytes]) -> list[float]:
    """The cosine between the query's vector and each passage's, from -1 to 1; 0 if one has no length."""
    import numpy as np

    one = np.frombuffer(query, "<f4").astype(np.float64)
    many = np.stack([np.frombuffer(passage, "<f4") for passage in passages]).astype(np.float64)
    lengths = np.linalg.norm(many, axis=1) * np.linalg.norm(one)
    cosines = np.divide(many @ one, lengths, out=np.zeros(len(passages)), where=lengths > 0)
    return np.clip(cosines, -1, 1).tolist()  # type: ignore[no-any-return]


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
