"""Presentations: each slide's title, texts, tables and notes, in the order in which they are shown."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from aquilon.extraction.reading import Full, Reading
from aquilon.extraction.xml_parts import parsed, part, related

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_PRESENTATION = "ppt/presentation.xml"
_TITLES = ("title", "ctrTitle")
_LEFT_OUT = ("dt", "ftr", "sldNum")
"""Placeholders that are the same on each slide: date, footer, number."""
_DEEPEST = 50


def read_pptx(path: Path, reading: Reading) -> None:
    """Raises Unreadable where a part is missing."""
    with zipfile.ZipFile(path) as archive:
        if "docProps/core.xml" in archive.NameToInfo:
            reading.title = parsed(archive.read("docProps/core.xml")).findtext(_DC_TITLE)
        relations = related(archive, _PRESENTATION)
        slides = [
            relations[slide.get(f"{_R}id")][1]
            for slide in part(archive, _PRESENTATION).iter(f"{_P}sldId")
            if slide.get(f"{_R}id") in relations
        ]
        reading.pages = len(slides)
        for number, name in enumerate(slides, 1):
            if number > reading.limits.pages:
                raise Full
            slide = part(archive, name)
            if slide.get("show") != "0":  # not hidden
                reading.page = number
                _add_slide(archive, name, slide, reading)
            reading.progress(number, len(slides))


def _add_slide(archive: zipfile.ZipFile, name: str, slide: Any, reading: Reading) -> None:
    relations = related(archive, name)
    for tree in slide.iter(f"{_P}spTree"):
        shapes = list(_shapes(tree, depth=0))
        for shape in sorted(shapes, key=lambda shape: _placeholder(shape) not in _TITLES):
            _add_shape(shape, reading)
    for kind, target in relations.values():
        if kind == "diagramData" and target in archive.NameToInfo:
            for paragraph in parsed(archive.read(target)).iter(f"{_A}p"):
                reading.item(_text(paragraph))
            reading.end_list()
        elif kind == "notesSlide" and target in archive.NameToInfo:
            notes = parsed(archive.read(target))
            for shape in notes.iter(f"{_P}sp"):
                if _placeholder(shape) == "body":
                    reading.paragraph("\n".join(filter(None, map(_text, shape.iter(f"{_A}p")))))


def _shapes(tree: Any, *, depth: int) -> Any:
    for shape in tree:
        if shape.tag == f"{_P}grpSp" and depth < _DEEPEST:
            yield from _shapes(shape, depth=depth + 1)
        elif shape.tag == f"{_P}grpSp":
            yield from shape.iter(f"{_P}sp", f"{_P}graphicFrame")
        elif shape.tag in (f"{_P}sp", f"{_P}graphicFrame"):
            yield shape


def _placeholder(shape: Any) -> str | None:
    """What the layout means the shape for: ``title``, ``body``, …; None for a text box."""
    placeholder = shape.find(f"*/{_P}nvPr/{_P}ph")
    return None if placeholder is None else placeholder.get("type", "body")


def _add_shape(shape: Any, reading: Reading) -> None:
    placeholder = _placeholder(shape)
    if placeholder in _LEFT_OUT:
        return
    for table in shape.iter(f"{_A}tbl"):
        reading.table(
            [
                ["\n".join(map(_text, cell.iter(f"{_A}p"))) for cell in row.iter(f"{_A}tc")]
                for row in table.iter(f"{_A}tr")
            ]
        )
    body = shape.find(f"{_P}txBody")
    if body is None:
        return
    paragraphs = list(body.iter(f"{_A}p"))
    if placeholder in _TITLES:
        reading.heading(" ".join(map(_text, paragraphs)), 2)
        return
    for paragraph in paragraphs:
        _add_paragraph(paragraph, reading, is_list=placeholder == "body" and len(paragraphs) > 1)
    reading.end_list()


def _add_paragraph(paragraph: Any, reading: Reading, *, is_list: bool) -> None:
    properties = paragraph.find(f"{_A}pPr")
    depth = 0
    if properties is not None:
        level = properties.get("lvl", "0")
        depth = int(level) if level.isdigit() else 0
        if properties.find(f"{_A}buNone") is not None:
            is_list = False
        elif properties.find(f"{_A}buChar") is not None or properties.find(f"{_A}buAutoNum") is not None:
            is_list = True
    if is_list:
        reading.item(_text(paragraph), depth=depth)
    else:
        reading.paragraph(_text(paragraph))


def _text(paragraph: Any) -> str:
    parts = []
    for node in paragraph.iter(f"{_A}t", f"{_A}br"):
        parts.append("\n" if node.tag == f"{_A}br" else node.text or "")
    return "".join(parts).strip()
