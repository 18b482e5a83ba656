"""Small pictures that people upload: which they are by their own bytes, and whether they may be shown.

Only the head is read: nothing here decompresses. What isn't exactly a PNG, JPEG or WebP of a
usual size is refused, and so is SVG, which is a document with scripts.
"""

from __future__ import annotations

from dataclasses import dataclass

from aquilon.errors import ApiError, invalid

MOST_BYTES = 512 * 1024
MOST_PIXELS = 2048
"""Of a side."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers in front of a frame's height and width."""


@dataclass(frozen=True)
class Picture:
    media_type: str
    width: int
    height: int


def picture_of(content: bytes) -> Picture:
    """Raises ApiError: 413 for more than `MOST_BYTES`, 400 for another format and for more than `MOST_PIXELS`."""
    if len(content) > MOST_BYTES:
        raise ApiError(
            413,
            "invalid_request_error",
            f"The picture has {len(content)} bytes, more than {MOST_BYTES}",
            code="picture_too_large",
            values={"most": MOST_BYTES // 1024},
        )
    picture = _png(content) or _jpeg(content) or _webp(content)
    if picture is None:
        raise invalid("This is no picture in PNG, JPEG or WebP", code="picture_unreadable")
    if not (1 <= picture.width <= MOST_PIXELS and 1 <= picture.height <= MOST_PIXELS):
        raise invalid(
            f"The picture has {picture.width} × {picture.height} pixels; a side may have 1 to {MOST_PIXELS}",
            code="picture_dimensions",
            values={"most": MOST_PIXELS},
        )
    return picture


def _png(content: bytes) -> Picture | None:
    if content[:8] != _PNG or content[12:16] != b"IHDR" or len(content) < 33:
        return None
    return Picture("image/png", int.from_bytes(content[16:20]), int.from_bytes(content[20:24]))


def _jpeg(content: bytes) -> Picture | None:
    """The size is in the first frame's head, after segments of which each says its length."""
    if content[:3] != _JPEG:
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        elif marker in _FRAMES:
            return Picture(
                "image/jpeg", int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7])
            )
        else:
            at += 2 + max(2, int.from_bytes(content[at + 2 : at + 4]))
    return None


def _webp(content: bytes) -> Picture | None:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return None
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L" and content[20] == 0x2F:
        bits = int.from_bytes(content[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(content[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    else:
        return None
    return Picture("image/webp", width, height)
