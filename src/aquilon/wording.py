"""Write numbers in sentences."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 user``, ``2 users``, ``1,000 entries``: the count with its noun in singular or plural."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
