"""The issuer's logo on statements: a PNG or JPEG file as PDF holds it (PDF 1.7, 8.9.5).

A JPEG is embedded unchanged. So are a PNG's compressed rows, since PDF knows PNG's
filters; a PNG with transparency is split into colours and a mask.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


_MOST_BYTES = 2 * 2**20
_MOST_PIXELS = 1_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
"""PNG's colour types."""
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGB_ALPHA: 4}


class LogoError(ValueError):
    """The file can't be used as a logo. The message says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """``entries`` go into the PDF's image dictionary, beside the size."""

    width: int
    height: int
    entries: tuple[tuple[str, str], ...]
    data: bytes
    mask: bytes | None = None
    """Opacity, one byte for each pixel, compressed."""


def read_logo(file: Path) -> Image:
    """Raises LogoError."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise LogoError(f"The logo {file} has more than {_MOST_BYTES // 2**20} MB: save a smaller one")
        content = file.read_bytes()
    except OSError as error:
        raise LogoError(f"The logo {file} can't be read: {error.strerror}") from error
    try:
        return _image(content)
    except LogoError as error:
        raise LogoError(f"The logo {file} can't be used: {error}") from error
    except (struct.error, zlib.error, IndexError, KeyError, ValueError) as error:
        raise LogoError(f"The logo {file} is damaged: {error}") from error


@lru_cache(maxsize=4)
def _image(content: bytes) -> Image:
    if content.startswith(_PNG):
        return _png(content)
    if content.startswith(b"\xff\xd8"):
        return _jpeg(content)
    raise LogoError("it is neither a PNG nor a JPEG file")


def _jpeg(content: bytes) -> Image:
    position = 2
    while position < len(content):
        marker, length = content[position + 1], struct.unpack_from(">H", content, position + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame header
            height, width, colours = struct.unpack_from(">HHB", content, position + 5)
            space = {1: "/DeviceGray", 3: "/DeviceRGB"}.get(colours)
            if space is None:
                raise LogoError("it has four colours (CMYK): save it as RGB")
            entries = (("ColorSpace", space), ("BitsPerComponent", "8"), ("Filter", "/DCTDecode"))
            return Image(width=width, height=height, entries=entries, data=content)
        position += 2 + length
    raise LogoError("it has no picture in it")


def _png(content: bytes) -> Image:
    chunks = _chunks(content)
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks["IHDR"])
    if width * height > _MOST_PIXELS:
        raise LogoError(f"it has {width} by {height} pixels: save one of at most a million")
    if interlaced:
        raise LogoError("its rows are interlaced: save it without interlacing")
    if colour in (_GREY_ALPHA, _RGB_ALPHA) or "tRNS" in chunks:
        return _transparent_png(chunks, width=width, height=height, depth=depth, colour=colour)
    channels = _CHANNELS[colour]
    space = {_GREY: "/DeviceGray", _RGB: "/DeviceRGB"}.get(colour)
    if space is None:
        palette = chunks["PLTE"]
        space = f"[/Indexed /DeviceRGB {len(palette) // 3 - 1} <{palette.hex()}>]"
    predictor = f"<< /Predictor 15 /Colors {channels} /BitsPerComponent {depth} /Columns {width} >>"
    entries = (
        ("ColorSpace", space),
        ("BitsPerComponent", str(depth)),
        ("Filter", "/FlateDecode"),
        ("DecodeParms", predictor),
    )
    return Image(width=width, height=height, entries=entries, data=chunks["IDAT"])


def _transparent_png(chunks: dict[str, bytes], *, width: int, height: int, depth: int, colour: int) -> Image:
    import numpy as np

    if depth != 8 or colour in (_GREY, _RGB):
        raise LogoError("its transparency is of a rare kind: save it with 8 bits a channel, as RGBA")
    pixels = _pixels(chunks["IDAT"], width, height, channels=_CHANNELS[colour])  # (height, width, channels)
    if colour == _PALETTE:
        palette = np.frombuffer(chunks["PLTE"], np.uint8).reshape(-1, 3)
        opacities = np.full(len(palette), 255, np.uint8)
        given = np.frombuffer(chunks["tRNS"], np.uint8)  # may be shorter than the palette: the rest is opaque
        opacities[: len(given)] = given
        colours, mask = palette[pixels[..., 0]], opacities[pixels[..., 0]]
    else:
        colours, mask = pixels[..., :-1], pixels[..., -1]
    space = "/DeviceGray" if colour == _GREY_ALPHA else "/DeviceRGB"
    entries = (("ColorSpace", space), ("BitsPerComponent", "8"), ("Filter", "/FlateDecode"))
    data, opacity = zlib.compress(colours.tobytes(), 9), zlib.compress(mask.tobytes(), 9)
    return Image(width=width, height=height, entries=entries, data=data, mask=opacity)


def _pixels(compressed: bytes, width: int, height: int, *, channels: int) -> np.ndarray:
    """(height, width, channels) of bytes, with PNG's row filters undone (PNG specification, clause 9)."""
    import numpy as np

    row_bytes = width * channels
    raw = zlib.decompressobj().decompress(compressed, height * (row_bytes + 1))
    if len(raw) != height * (row_bytes + 1):
        raise LogoError("its picture ends early")
    rows = np.zeros((height, row_bytes), np.uint8)
    above = bytes(row_bytes)
    for number in range(height):
        start = number * (row_bytes + 1)
        filtered = bytearray(raw[start + 1 : start + 1 + row_bytes])
        row = _unfiltered(filtered, above, kind=raw[start], step=channels)
        rows[number] = np.frombuffer(row, np.uint8)
        above = bytes(row)
    return rows.reshape(height, width, channels)


def _unfiltered(row: bytearray, above: bytes, *, kind: int, step: int) -> bytearray:
    """Undo a row's filter in place; ``kind`` is PNG's number of it, ``step`` the bytes of a pixel."""
    for place in range(len(row)):
        left = row[place - step] if place >= step else 0
        up = above[place]
        if kind == 0:
            return row
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        elif kind == 4:
            corner = above[place - step] if place >= step else 0
            guess = _paeth(left, up, corner)
        else:
            raise LogoError(f"a row has the unknown filter {kind}")
        row[place] = (row[place] + guess) & 255
    return row


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    return min((left, up, corner), key=lambda neighbour: abs(estimate - neighbour))


def _chunks(content: bytes) -> dict[str, bytes]:
    """A PNG's chunks by name; those of the same name are joined."""
    chunks: dict[str, bytes] = {}
    position = len(_PNG)
    while position + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        data = content[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, position + 8 + length)
        if checksum != zlib.crc32(name + data):
            raise ValueError(f"the checksum of its part {name!r} is wrong")
        chunks[name.decode("latin-1")] = chunks.get(name.decode("latin-1"), b"") + data
        position += 12 + length
    return chunks
