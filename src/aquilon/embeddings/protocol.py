"""The messages between the API process and the embedding process.

Each request gets one answer before the next is sent, as length-prefixed MessagePack.
"""

from __future__ import annotations

import msgspec


class CountTokens(msgspec.Struct, frozen=True, tag="count"):
    texts: list[str]
    query: bool


class EmbedTexts(msgspec.Struct, frozen=True, tag="embed"):
    texts: list[str]
    query: bool


class ShortenText(msgspec.Struct, frozen=True, tag="shorten"):
    """Cut a text to at most so many tokens, those that the model adds among them."""

    text: str
    query: bool
    tokens: int
    keeps_end: bool


class ShortText(msgspec.Struct, frozen=True, tag="short"):
    text: str
    """Empty if ``tokens`` is no more than what the model adds."""


class TokenCounts(msgspec.Struct, frozen=True, tag="counts"):
    tokens: list[int]
    """The tokens of each text, including those that the model adds."""


class Vectors(msgspec.Struct, frozen=True, tag="vectors"):
    vectors: list[bytes]
    tokens: list[int]
    """Of each text, as in `TokenCounts`."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    message: str


ToWorker = CountTokens | EmbedTexts | ShortenText
FromWorker = TokenCounts | Vectors | ShortText | Failed

LENGTH_BYTES = 4
_ENCODER = msgspec.msgpack.Encoder()


def packed(message: ToWorker | FromWorker) -> bytes:
    body = _ENCODER.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
