"""Frames on the socket: a four-byte big-endian length, then one MessagePack message.

The decoder itself reads and writes nothing, so the engine's blocking thread and the
client's event loop can both use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from aquilon.engine.protocol import MAX_FRAME_BYTES

_LENGTH_BYTES = 4
_ENCODER = msgspec.msgpack.Encoder()

Message = TypeVar("Message")


class BrokenFrame(ValueError):
    """The peer sent bytes that are not our protocol: the connection can't be used any more."""


class FrameTooLong(ValueError):
    """A message is longer than the peer accepts."""


def encode_frame(message: object) -> bytes:
    """A message as the bytes of one frame; raises FrameTooLong."""
    body = _ENCODER.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise FrameTooLong(f"a message of {len(body)} bytes: at most {MAX_FRAME_BYTES} fit in one frame")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class FrameDecoder(Generic[Message]):
    """Decodes the frames of a stream; ``union`` is the type of all messages that the peer may send."""

    def __init__(self, union: object) -> None:
        self._decoder = msgspec.msgpack.Decoder(union)
        self._pending = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[Message]:
        """Yield the messages that ``data`` completes; raises BrokenFrame."""
        pending = self._pending
        pending += data
        start = 0
        try:
            while len(pending) - start >= _LENGTH_BYTES:
                length = int.from_bytes(pending[start : start + _LENGTH_BYTES], "big")
                if length > MAX_FRAME_BYTES:
                    raise BrokenFrame(f"a frame of {length} bytes: at most {MAX_FRAME_BYTES} are allowed")
                end = start + _LENGTH_BYTES + length
                if len(pending) < end:
                    break
                body = bytes(memoryview(pending)[start + _LENGTH_BYTES : end])
                start = end
                try:
                    message = self._decoder.decode(body)
                except msgspec.MsgspecError as error:
                    raise BrokenFrame(f"a frame that is not a message: {error}") from error
                yield message
        finally:
            del pending[:start]
