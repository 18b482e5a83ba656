"""OpenDocument texts: headings, paragraphs, lists, tables, footnotes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import odfdo
from odfdo.security import SecurityError, security

from aquilon.extraction.document import Unreadable
from aquilon.extraction.reading import Reading

_DROPPED = frozenset(
    """
    office:annotation office:annotation-end office:forms text:alphabetical-index-mark text:bibliography-mark
    text:note-citation text:sequence-decls text:tracked-changes text:variable-decls text:user-field-decls
    """.split()  # noqa: SIM905
)
_MOST_REPEATS = 100
"""Of blanks, columns and rows, which a few bytes can ask to be repeated a million times."""
_DEEPEST = 100
_ANY_RATIO = 2_000
"""More than deflate can do: ``archive.py`` has counted what the archive unpacks to, and a blank picture is no bomb."""


def read_odt(path: Path, reading: Reading) -> None:
    """Raises Unreadable."""
    security.max_compression_ratio = _ANY_RATIO
    security.max_uncompressed_size = reading.limits.unpacked_bytes
    security.max_file_count = reading.limits.entries
    try:
        document = odfdo.Document(str(path))
    except SecurityError as error:
        raise Unreadable("bomb", f"This ODT document isn't opened: {str(error)[:300]}") from None
    reading.title = document.meta.title
    _Body(reading).read(document.body)


class _Body:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def read(self, body: Any) -> None:
        children = body.children
        for number, element in enumerate(children):
            self._add(element, depth=0)
            if number % 100 == 0:
                self._reading.progress(number, len(children))

    def _add(self, element: Any, *, depth: int) -> None:
        tag = element.tag
        if tag in _DROPPED:
            return
        if depth > _DEEPEST:
            self._reading.paragraph(element.text_recursive)
        elif tag in ("text:h", "text:p"):
            notes: list[str] = []
            text = _text(element, notes)
            if tag == "text:h":
                level = element.get_attribute("text:outline-level") or "1"
                self._reading.heading(text, int(level) if level.isdigit() else 1)
            else:
                self._reading.paragraph(text)
            for note in notes:
                self._reading.paragraph(note)
        elif tag == "text:list":
            self._add_list(element, depth=0)
            self._reading.end_list()
        elif tag == "table:table":
            self._reading.table(_rows(element))
        else:
            for child in element.children:
                self._add(child, depth=depth + 1)

    def _add_list(self, items: Any, *, depth: int) -> None:
        for item in items.children:
            texts: list[str] = []
            for child in item.children:
                if child.tag != "text:list":
                    texts.append(_text(child, texts))
                    continue
                self._reading.item("\n".join(texts), depth=depth)
                texts.clear()
                if depth < _DEEPEST:
                    self._add_list(child, depth=depth + 1)
                else:
                    self._reading.item(child.text_recursive, depth=depth + 1)
            if depth == 0 and len(items.children) == 1 and texts and item.children[0].tag == "text:h":
                self._reading.heading(texts[0], 1)  # a numbered heading
            else:
                self._reading.item("\n".join(texts), depth=depth)


def _rows(table: Any) -> list[list[str]]:
    rows = []
    for row in table.get_elements("descendant::table:table-row"):
        cells: list[str] = []
        for cell in row.children:
            if cell.tag in ("table:table-cell", "table:covered-table-cell"):
                text = "\n".join(_text(child, []) for child in cell.children if child.tag not in _DROPPED)
                cells += [text] * _repeats(cell, "table:number-columns-repeated")
        while cells and not cells[-1]:
            cells.pop()
        rows += [cells] * (_repeats(row, "table:number-rows-repeated") if cells else 1)
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _repeats(element: Any, attribute: str) -> int:
    count = str(element.get_attribute(attribute) or "1")
    return min(int(count), _MOST_REPEATS) if count.isdigit() else 1


def _text(element: Any, notes: list[str], *, depth: int = 0) -> str:
    """What an element says; its footnotes are appended to ``notes``."""
    parts = [element.text or ""]
    for child in element.children:
        tag = child.tag
        if tag == "text:s":
            parts.append(" " * _repeats(child, "text:c"))
        elif tag == "text:tab":
            parts.append("\t")
        elif tag == "text:line-break":
            parts.append("\n")
        elif tag == "text:note":
            mark = "".join(citation.text or "" for citation in child.get_elements("text:note-citation"))
            words = " ".join(_text(body, []) for body in child.get_elements("text:note-body"))
            parts.append(f"[{mark}]")
            notes.append(f"[{mark}] {' '.join(words.split())}")
        elif tag not in _DROPPED and depth < _DEEPEST:
            inner = _text(child, notes, depth=depth + 1)
            parts.append(inner + "\n" if tag in ("text:p", "text:h") and depth else inner)
        parts.append(child.tail or "")
    return "".join(parts)
