"""What is a picture by its own bytes, and how large it says it is."""

from __future__ import annotations

import pytest

from aquilon.chat.pictures import MOST_BYTES, Picture, picture_of
from aquilon.errors import ApiError


def png(width: int, height: int) -> bytes:
    size = width.to_bytes(4) + height.to_bytes(4)
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + size + b"\x08\x06\x00\x00\x00" + bytes(4)


def jpeg(width: int, height: int) -> bytes:
    described = (
        b"\xff\xe0\x00\x10JFIF\x00" + bytes(9) + b"\xff\xfe\x00\x04\xff\xc0"
    )  # a comment that looks like a frame
    return b"\xff\xd8" + described + b"\xff\xc2\x00\x11\x08" + height.to_bytes(2) + width.to_bytes(2) + bytes(8)


def webp(kind: bytes, head: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + bytes(4) + head + bytes(16)


@pytest.mark.parametrize(
    ("content", "picture"),
    [
        (png(640, 480), Picture("image/png", 640, 480)),
        (jpeg(640, 480), Picture("image/jpeg", 640, 480)),
        (webp(b"VP8X", bytes(4) + b"\x7f\x02\x00" + b"\xdf\x01\x00"), Picture("image/webp", 640, 480)),
        (webp(b"VP8L", b"\x2f" + (639 | 479 << 14).to_bytes(4, "little")), Picture("image/webp", 640, 480)),
        (webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a\x80\x02\xe0\x01"), Picture("image/webp", 640, 480)),
    ],
    ids=["png", "jpeg", "webp extended", "webp lossless", "webp lossy"],
)
def test_a_picture_is_known_by_its_bytes(content: bytes, picture: Picture) -> None:
    assert picture_of(content) == picture


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "picture_unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "picture_unreadable"),
        (b"GIF89a" + bytes(60), "picture_unreadable"),
        (b"\x89PNG\r\n\x1a\n<html>" + bytes(60), "picture_unreadable"),
        (b"\xff\xd8\xff\xe0\x00\x00" * 10_000, "picture_unreadable"),
        (png(2049, 1), "picture_dimensions"),
        (png(0, 1), "picture_dimensions"),
        (jpeg(65_535, 65_535), "picture_dimensions"),
        (png(1, 1) + bytes(MOST_BYTES), "picture_too_large"),
    ],
    ids=["nothing", "svg", "gif", "a png's beginning", "jpeg without a frame", "wide", "empty", "a bomb", "large"],
)
def test_anything_else_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        picture_of(content)
    assert refused.value.code == code


def test_a_picture_that_breaks_off_early_is_refused() -> None:
    for whole, least in ((png(640, 480), 33), (jpeg(640, 480), 35), (webp(b"VP8L", b"\x2f" + bytes(4)), 30)):
        for length in range(least):
            with pytest.raises(ApiError, match="no picture"):
                picture_of(whole[:length])
