"""Text that steers no terminal and breaks no line, for logs."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Each control character, and all else that isn't to be seen, written as its escape: ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
