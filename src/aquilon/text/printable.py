"""Makes texts safe for logs: they can't steer a terminal or break a line."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with control characters and other invisible ones as escapes: ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
