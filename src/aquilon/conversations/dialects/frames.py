"""Frames of server-sent events."""

from __future__ import annotations

DONE = b"data: [DONE]\n\n"


def frame(data: bytes) -> bytes:
    """One event; ``data`` is JSON without line breaks."""
    return b"data: " + data + b"\n\n"
