"""Cuts a document's text into passages: at headings, paragraphs, rows and sentences, never inside a word if it can.

The passages of a document cover its whole text in order. Neighbours overlap by a sentence or two, so that what a
sentence refers to is found beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aquilon.extraction import Block, Document
from aquilon.extraction.document import SEPARATOR

DEFAULT_CHARACTERS = 900
DEFAULT_OVERLAP = 150
CHARACTERS_A_TOKEN = 4
"""What a chunking strategy in tokens is taken for: how many a text has is known only to the model that reads it."""
_MOST_HEADING = 300
_MOST_HEAD = 400
"""Characters of headings, and of a table's first row, that are repeated with a passage."""

_SENTENCE_END = re.compile(
    r"""[.!?…]+["'”’»)\]]*\s+(?=\S)   # with a space after it
    |[。！？｡]+[」』”）]*              # or in scripts without spaces
    |[।؟۔]+\s*
    |\n+""",
    re.VERBOSE,
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(«„“\"'])(?:[^\W\d_]|[A-ZÄÖÜÉ]?[a-zäöüé]{0,3}\.\w|Mr|Mrs|Ms|Dr|St|Prof|Sr|Sra|Dott|Sig|Hr|Fr|Nr|vgl|bzw|ca|etc|cf"
    r"|No|no|vol|pp?|art|Art|Abs|Mme|Mlle|MM?|Ud|Uds)\.\s+$"
)


@dataclass(frozen=True)
class Sizes:
    """In characters."""

    most: int = DEFAULT_CHARACTERS
    overlap: int = DEFAULT_OVERLAP


@dataclass(frozen=True, kw_only=True)
class Chunk:
    begin: int
    end: int
    """The range of the document's text."""
    text: str
    page: int | None
    heading: str | None
    head: str | None
    """A table's first row, which isn't in ``text``."""

    @property
    def read(self) -> str:
        """As `read_text`."""
        return read_text(self.text, heading=self.heading, head=self.head)


def read_text(text: str, *, heading: str | None, head: str | None) -> str:
    """What is embedded and searched of a passage: its text below its headings and its table's first row."""
    return "\n".join(part for part in (heading, head, text.strip()) if part)


def without_spaces(text: str, begin: int) -> tuple[int, int, str]:
    """A passage that begins there as it is quoted: its range and its text, without the white space around it."""
    begin += len(text) - len(text.lstrip())
    quoted = text.strip()
    return begin, begin + len(quoted), quoted


@dataclass(frozen=True)
class _Piece:
    """A part of the text that stays whole."""

    begin: int
    end: int
    page: int | None
    heading: str | None
    head: str | None
    head_begin: int | None
    """Where the table of its ``head`` begins."""
    closed: bool
    """Whether nothing before it belongs to the same passage."""


def chunks(document: Document, sizes: Sizes) -> Iterator[Chunk]:
    """The document's passages, in order."""
    text = document.text
    pieces = list(_pieces(document, sizes.most))
    first = 0
    while first < len(pieces):
        last = first
        while last + 1 < len(pieces) and _joins(pieces[first], pieces[last + 1], sizes.most):
            last += 1
        begin, end = pieces[first].begin, pieces[last].end
        yield Chunk(
            begin=begin,
            end=end,
            text=text[begin:end],
            page=pieces[first].page,
            heading=pieces[first].heading,
            head=pieces[first].head,
        )
        following = last + 1
        if following < len(pieces) and not pieces[following].closed:
            following = _overlapping(pieces, first, following, sizes)
        first = following


def _joins(first: _Piece, piece: _Piece, most: int) -> bool:
    """Whether a piece goes on with the passage: a row needs its table's first row in front of it, or in the passage."""
    holds_head = piece.head_begin is not None and first.head is None and first.begin <= piece.head_begin
    return not piece.closed and (piece.head == first.head or holds_head) and piece.end - first.begin <= most


def _overlapping(pieces: Sequence[_Piece], first: int, following: int, sizes: Sizes) -> int:
    """The piece with which the next passage begins, so that it repeats the end of this one."""
    end = pieces[following].begin
    begin = following
    while (
        begin - 1 > first
        and not pieces[begin].closed
        and pieces[begin - 1].head == pieces[following].head
        and end - pieces[begin - 1].begin <= sizes.overlap
        and pieces[following].end - pieces[begin - 1].begin <= sizes.most
    ):
        begin -= 1
    return begin


def _pieces(document: Document, most: int) -> Iterator[_Piece]:
    headings: list[tuple[int, str]] = []
    above: _Piece | None = None
    for block, begin in zip(document.blocks, document.starts, strict=True):
        end = begin + len(block.text) + len(SEPARATOR)
        if block.kind == "heading":
            level = block.level or 1
            headings = [*((at, title) for at, title in headings if at < level), (level, block.text)]
            if above is None:
                path = _path(headings[:-1])
                above = _Piece(begin, end, block.page, path, None, None, closed=True)
            continue  # a heading is read with what follows it
        path = _path(headings)
        lead = begin if above is None else above.begin
        yield from _of_block(block, lead, begin, path=path, most=most, closed=above is not None)
        above = None
    if above is not None:
        yield _Piece(above.begin, len(document.text), above.page, above.heading, None, None, closed=True)


def _path(headings: Sequence[tuple[int, str]]) -> str | None:
    """The innermost headings, as many as there is room for."""
    path = ""
    for _, title in reversed(headings):
        longer = f"{title} › {path}" if path else title
        if path and len(longer) > _MOST_HEADING:
            break
        path = longer
    return path[:_MOST_HEADING] or None


def _of_block(block: Block, lead: int, begin: int, *, path: str | None, most: int, closed: bool) -> Iterator[_Piece]:
    """``lead``: where the headings before the block begin."""
    head_end = _head_end(block.text) if block.kind == "table" else 0
    head = block.text[:head_end].strip()[:_MOST_HEAD] or None
    by_lines = block.kind in ("table", "list", "code")
    for at, (part_begin, part_end) in enumerate(_parts(block.text, most, by_lines=by_lines)):
        last = part_end == len(block.text)
        below = head is not None and part_begin >= head_end
        yield _Piece(
            lead if at == 0 else begin + part_begin,
            begin + part_end + (len(SEPARATOR) if last else 0),
            block.page,
            path,
            head if below else None,
            begin if below else None,
            closed=closed and at == 0,
        )


def _head_end(table: str) -> int:
    """The end of a Markdown table's first row and the line below it."""
    first = table.find("\n")
    second = table.find("\n", first + 1)
    if first < 0 or second < 0 or not set(table[first:second].strip()) <= set("|-: "):
        return 0
    return second + 1


def _parts(text: str, most: int, *, by_lines: bool) -> Iterator[tuple[int, int]]:
    """Sentences or lines; one that is longer than ``most`` is cut between words."""
    for begin, end in _lines(text) if by_lines else sentences(text):
        while end - begin > most:
            cut = text.rfind(" ", begin + most // 2, begin + most)
            cut = begin + most if cut < 0 else cut + 1
            yield begin, cut
            begin = cut
        yield begin, end


def _lines(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin) + 1 or len(text)
        yield begin, end
        begin = end


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Begin and end of each sentence, with the spaces after it; together they are the whole text."""
    begin = 0
    for match in _SENTENCE_END.finditer(text):
        if match.end() == begin or _ABBREVIATION.search(text, max(begin, match.end() - 12), match.end()):
            continue
        yield begin, match.end()
        begin = match.end()
    if begin < len(text):
        yield begin, len(text)
