"""What a document says: its blocks in reading order, each with the page that it is on."""

from __future__ import annotations

from itertools import accumulate
from typing import Literal

import msgspec

Kind = Literal["heading", "paragraph", "list", "table", "code"]
"""A list is several items, a line each; a table is Markdown, its first row the head."""

Note = Literal["encoding_guessed", "ocr_used", "pages_without_text", "truncated"]
"""What a reader should know: OCR makes mistakes, and of a ``truncated`` document parts are left out."""

UnreadableCode = Literal["bomb", "damaged", "encrypted", "no_text", "timed_out", "too_deep", "too_large", "unsupported"]

SEPARATOR = "\n\n"
"""Between blocks."""


class Block(msgspec.Struct, frozen=True):
    text: str
    """Never empty; no control characters but newline and tab."""
    kind: Kind
    level: int | None = None
    """A heading's, from 1."""
    page: int | None = None
    """The page, slide or sheet, from 1, where the format has such."""


class Document(msgspec.Struct, frozen=True):
    media_type: str
    """By its content, such as ``application/pdf``."""
    title: str | None
    pages: int | None
    """Pages, slides or sheets of the whole file, also those that weren't read; None where the format has none."""
    blocks: list[Block]
    notes: list[Note] = msgspec.field(default_factory=list)

    @property
    def text(self) -> str:
        return SEPARATOR.join(block.text for block in self.blocks)

    @property
    def starts(self) -> list[int]:
        """Where each block begins in ``text``, in characters."""
        ends = accumulate((len(block.text) + len(SEPARATOR) for block in self.blocks), initial=0)
        return [start for start, _ in zip(ends, self.blocks, strict=False)]


class Unreadable(Exception):
    """A file whose text can't be had; the message is for the person who brought it."""

    def __init__(self, code: UnreadableCode, message: str, details: dict[str, int | str] | None = None) -> None:
        super().__init__(message)
        self.code: UnreadableCode = code
        self.message = message
        self.details = details or {}
        """The values that the message names, such as ``limit`` and ``value``."""


def too_deep(what: str) -> Unreadable:
    """For a document whose parts are nested deeper than its parser follows."""
    return Unreadable(
        "too_deep", f"This {what} has parts within parts, deeper than can be read: save its text as a new document"
    )
