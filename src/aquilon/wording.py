"""Numbers in sentences."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 user``, ``2 users``, ``1,000 entries``: the noun as its number wants it."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
