"""Word documents: headings by their styles, lists by their numbering, tables, text boxes, footnotes.

``python-docx`` opens the package and knows styles. The text is collected here, because its
own ``Paragraph.text`` leaves out what is in content controls, fields and accepted changes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import docx
from docx.document import Document as Word

from aquilon.extraction.document import Unreadable
from aquilon.extraction.reading import Reading
from aquilon.extraction.xml_parts import parsed

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HEADING = re.compile(r"heading (\d)$", re.IGNORECASE)
_DROPPED = frozenset((f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", f"{_W}tblPr", f"{_W}sdtPr", _FALLBACK))
"""Deleted text, properties, and the second copy of a text box for older programs."""
_MARKS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "\u2011"}
_NOTES = {f"{_W}footnoteReference": "footnotes", f"{_W}endnoteReference": "endnotes"}
_DEEPEST = 100
_MOST_SPAN = 100


def read_docx(path: Path, reading: Reading) -> None:
    """Raises Unreadable."""
    try:
        document = docx.Document(str(path))
    except ValueError as error:
        raise Unreadable(
            "unsupported",
            f"This file isn't a plain Word document, perhaps a template or one with macros: save it as DOCX ({error})",
        ) from None
    reading.title = document.core_properties.title
    _Body(document, reading).read()


class _Body:
    def __init__(self, document: Word, reading: Reading) -> None:
        self._document = document
        self._reading = reading
        self._levels: dict[str, int | None] = {}
        self._numbers: Counter[tuple[str, int]] = Counter()

    def read(self) -> None:
        body = self._document.element.body
        total = len(body)
        for number, element in enumerate(body):
            self._add(element, depth=0)
            if number % 100 == 0:
                self._reading.progress(number, total)

    def _add(self, element: Any, *, depth: int) -> None:
        if element.tag in _DROPPED:
            return
        if depth > _DEEPEST:
            self._reading.paragraph(_cell(element))
        elif element.tag == f"{_W}p":
            self._add_paragraph(element, depth=depth)
        elif element.tag == f"{_W}tbl":
            rows = list(self._rows(element))
            if all(len(row) == 1 for row in rows):  # a frame around text, no table
                for cell in element.iterchildren(f"{_W}tr"):
                    self._add(cell, depth=depth + 1)
            else:
                self._reading.table(rows)
        else:
            for child in element:
                self._add(child, depth=depth + 1)

    def _add_paragraph(self, paragraph: Any, *, depth: int) -> None:
        boxes: list[Any] = []
        notes: list[tuple[str, str]] = []
        text = _text(paragraph, boxes, notes)
        style = paragraph.find(f"{_W}pPr/{_W}pStyle")
        level = self._level(style.get(f"{_W}val") if style is not None else "")
        numbering = paragraph.find(f"{_W}pPr/{_W}numPr")
        if numbering is None and style is not None and level is None:
            numbering = self._style_numbering(style.get(f"{_W}val"))
        if level is not None:
            self._reading.heading(text, level)
        elif numbering is not None and text.strip():
            self._add_item(text, numbering)
        else:
            self._reading.paragraph(text)
        for kind, number in notes:
            if words := self._notes.get((kind, number)):
                self._reading.paragraph(f"[{number}] {words}")
        for box in boxes:
            for child in box:
                self._add(child, depth=depth + 1)

    def _level(self, style_id: str) -> int | None:
        """The heading level of a style, or of one that it is based on."""
        if style_id not in self._levels:
            self._levels[style_id] = None
            for style in self._with_bases(style_id):
                name = style.findtext_of("name")
                if (heading := _HEADING.match(name)) is not None:
                    self._levels[style_id] = max(1, int(heading[1]))
                elif name.lower() == "title":
                    self._levels[style_id] = 1
                elif (outline := style.findtext_of("pPr/outlineLvl")).isdigit() and int(outline) < 9:
                    self._levels[style_id] = int(outline) + 1
                else:
                    continue
                break
        return self._levels[style_id]

    def _style_numbering(self, style_id: str) -> Any:
        found = (style.element.find(f"{_W}pPr/{_W}numPr") for style in self._with_bases(style_id))
        return next((numbering for numbering in found if numbering is not None), None)

    def _with_bases(self, style_id: str) -> Iterator[_Style]:
        seen: set[str] = set()
        while style_id in self._styles and style_id not in seen:
            seen.add(style_id)
            yield (style := self._styles[style_id])
            style_id = style.findtext_of("basedOn")

    @cached_property
    def _styles(self) -> dict[str, _Style]:
        return {
            style.get(f"{_W}styleId", ""): _Style(style)
            for style in self._document.styles.element.iterchildren(f"{_W}style")
        }

    def _add_item(self, text: str, numbering: Any) -> None:
        depth, number_id = (_value(numbering, name) for name in ("ilvl", "numId"))
        level = int(depth) if depth.isdigit() else 0
        if number_id == "0":  # takes the numbering of the style away
            self._reading.paragraph(text)
            return
        mark = "-"
        if self._formats.get((number_id, level), "bullet") not in ("bullet", "none"):
            self._numbers[number_id, level] += 1
            for deeper in range(level + 1, 10):
                self._numbers.pop((number_id, deeper), None)
            mark = f"{self._numbers[number_id, level]}."
        self._reading.item(text, depth=level, mark=mark)

    @cached_property
    def _formats(self) -> dict[tuple[str, int], str]:
        """How each level of a numbering counts: ``bullet``, ``decimal``, …"""
        root = self._related("numbering")
        if root is None:
            return {}
        abstract = {
            numbering.get(f"{_W}abstractNumId"): [
                (int(level.get(f"{_W}ilvl", "0")), _value(level, "numFmt"))
                for level in numbering.iterchildren(f"{_W}lvl")
            ]
            for numbering in root.iterchildren(f"{_W}abstractNum")
        }
        return {
            (numbering.get(f"{_W}numId", ""), level): form
            for numbering in root.iterchildren(f"{_W}num")
            for level, form in abstract.get(_value(numbering, "abstractNumId"), [])
        }

    @cached_property
    def _notes(self) -> dict[tuple[str, str], str]:
        notes = {}
        for kind, tag in (("footnotes", "footnote"), ("endnotes", "endnote")):
            root = self._related(kind)
            for note in () if root is None else root.iterchildren(f"{_W}{tag}"):
                notes[kind, note.get(f"{_W}id", "")] = " ".join(_cell(note).split())
        return notes

    def _related(self, kind: str) -> Any:
        """The root of a part that the document's main part refers to, by the last word of its type."""
        for relation in self._document.part.rels.values():
            if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
                return parsed(relation.target_part.blob)
        return None

    def _rows(self, table: Any) -> Iterator[list[str]]:
        for row in table.iter(f"{_W}tr"):
            if next(row.iterancestors(f"{_W}tbl")) is table:
                cells: list[str] = []
                for cell in row.iter(f"{_W}tc"):
                    if next(cell.iterancestors(f"{_W}tr")) is not row:
                        continue  # of a table in a cell, whose text that cell has
                    merge = cell.find(f"{_W}tcPr/{_W}vMerge")
                    goes_on = merge is not None and merge.get(f"{_W}val") != "restart"
                    span = _value(cell.find(f"{_W}tcPr"), "gridSpan")
                    cells.append("" if goes_on else _cell(cell))
                    cells += [""] * (min(int(span), _MOST_SPAN) - 1 if span.isdigit() else 0)
                yield cells


class _Style:
    def __init__(self, element: Any) -> None:
        self.element = element

    def findtext_of(self, path: str) -> str:
        """The value of a property, empty where it isn't set."""
        return _value(self.element, path)


def _value(element: Any, path: str) -> str:
    found = None if element is None else element.find("/".join(f"{_W}{step}" for step in path.split("/")))
    return "" if found is None else found.get(f"{_W}val", "")


def _text(element: Any, boxes: list[Any], notes: list[tuple[str, str]], *, depth: int = 0) -> str:
    """What a paragraph says; its text boxes and the notes that it refers to are appended to the lists."""
    parts: list[str] = []
    for child in element:
        if child.tag in _DROPPED or depth > _DEEPEST:
            continue
        if child.tag == f"{_W}t":
            parts.append(child.text or "")
        elif child.tag in _MARKS:
            parts.append(_MARKS[child.tag])
        elif child.tag in _NOTES:
            number = child.get(f"{_W}id", "")
            notes.append((_NOTES[child.tag], number))
            parts.append(f"[{number}]")
        elif child.tag == f"{_W}txbxContent":
            boxes.append(child)
        else:
            parts.append(_text(child, boxes, notes, depth=depth + 1))
    return "".join(parts)


def _cell(cell: Any) -> str:
    """All paragraphs of a cell or note, those of tables in it too."""
    return "\n".join(filter(None, (_text(paragraph, [], []).strip() for paragraph in cell.iter(f"{_W}p"))))
