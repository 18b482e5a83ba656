"""What the process that reads a document reports: frames of a four-byte length and MessagePack."""

from __future__ import annotations

import msgspec

from aquilon.extraction.document import Document, UnreadableCode
from aquilon.extraction.limits import Limits

LENGTH_BYTES = 4
_BYTES_A_BLOCK = 64
_BYTES_BESIDE = 64 * 1024


class Order(msgspec.Struct, frozen=True):
    path: str
    name: str
    limits: Limits


class Share(msgspec.Struct, frozen=True, tag="share"):
    read: float
    """From 0 to 1."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    document: Document


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    code: UnreadableCode
    message: str
    details: dict[str, int | str]


Report = Share | Done | Refused


def packed(report: Report) -> bytes:
    body = msgspec.msgpack.encode(report)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def most_bytes(limits: Limits) -> int:
    """The longest frame that a process within its limits sends."""
    return limits.text_bytes + limits.blocks * _BYTES_A_BLOCK + _BYTES_BESIDE
