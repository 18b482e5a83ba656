"""HTML pages: their text in blocks, without scripts, styles, navigation and whatever is hidden."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lxml import etree, html

from aquilon.extraction.cleaning import clean
from aquilon.extraction.document import too_deep
from aquilon.extraction.plain import decoded
from aquilon.extraction.reading import Reading

_DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_DROPPED = frozenset(
    """
    applet audio canvas datalist dialog embed frame frameset head iframe math nav noembed noframes noscript object
    option script select style svg template textarea title video
    """.split()  # noqa: SIM905
)
_BLOCKS = frozenset(
    """
    address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer
    form header hgroup hr html legend li main menu p search section summary tbody td tfoot th thead tr
    """.split()  # noqa: SIM905
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_STRUCTURE = ["table", "ul", "ol", "pre", "h1", "h2", "h3", "h4", "h5", "h6"]
"""A table with one of these is there for the layout."""
_DEEPEST = 150
_WHITE = re.compile(r"[ \t\n\r\f]+")


def read_html(path: Path, reading: Reading) -> None:
    """Raises Unreadable for what is no text."""
    data = path.read_bytes()
    declared = _DECLARED.search(data, 0, 4096)
    add_html(decoded(data, reading, declared=declared[1].decode() if declared else None), reading)


def add_html(text: str, reading: Reading, *, titled: bool = True) -> None:
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = html.document_fromstring(clean(text).encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):  # nothing but comments
        return
    is_too_deep = any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log)
    if is_too_deep:  # the parser stops
        reading.note("truncated")
    title = root.find(".//head/title")
    if titled and title is not None:
        reading.title = title.text_content()
    _Page(reading).walk(root)
    if is_too_deep and not reading.has_text():
        raise too_deep("HTML page")


class _Page:
    """Collects inline text until a block begins or ends."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._inline: list[str] = []

    def walk(self, root: Any) -> None:
        self._children(root, depth=0)
        self._end_block()

    def _children(self, element: Any, *, depth: int) -> None:
        self._add(element.text)
        for child in element:
            if isinstance(child.tag, str):
                self._element(child, depth=depth + 1)
            self._add(child.tail)

    def _element(self, element: Any, *, depth: int) -> None:
        tag = element.tag
        if tag in _DROPPED or _is_hidden(element):
            return
        if depth > _DEEPEST:
            self._add(" " + element.text_content())
        elif tag in _HEADINGS:
            self._end_block()
            self._reading.heading(_spoken_text(element), _HEADINGS[tag])
        elif tag in ("ul", "ol"):
            self._end_block()
            self._list(element, depth=0, nested=depth)
            self._reading.end_list()
        elif tag == "pre":
            self._end_block()
            self._reading.code(element.text_content())
        elif tag == "table" and next(element.iterdescendants(*_STRUCTURE), None) is None:
            self._end_block()
            self._reading.table(_rows(element), caption=_caption(element))
        elif tag == "br":
            self._inline.append("\n")
        elif tag == "img":
            if alternative := element.get("alt", "").strip():
                self._add(f" {alternative} ")
        elif tag in _BLOCKS or tag == "table":
            self._end_block()
            self._children(element, depth=depth)
            self._end_block()
        else:
            self._children(element, depth=depth)

    def _list(self, element: Any, *, depth: int, nested: int) -> None:
        number = 1
        for child in element:
            if not isinstance(child.tag, str) or child.tag in _DROPPED or _is_hidden(child):
                continue
            if child.tag in ("ul", "ol"):
                self._nested(child, depth=depth, nested=nested)
                continue
            inner = dict.fromkeys(part for part in child if part.tag in ("ul", "ol"))
            mark = f"{number}." if element.tag == "ol" else "-"
            self._reading.item(_spoken_text(child, without=inner), depth=depth, mark=mark)
            number += 1
            for part in inner:
                self._nested(part, depth=depth, nested=nested)

    def _nested(self, element: Any, *, depth: int, nested: int) -> None:
        if nested + depth > _DEEPEST:
            self._reading.item(_spoken_text(element), depth=depth + 1)
        else:
            self._list(element, depth=depth + 1, nested=nested)

    def _add(self, text: str | None) -> None:
        if text:
            self._inline.append(_WHITE.sub(" ", text))

    def _end_block(self) -> None:
        if self._inline:
            text = "".join(self._inline)
            self._inline.clear()
            self._reading.paragraph("\n".join(_WHITE.sub(" ", line).strip(" ") for line in text.split("\n")))


def _spoken_text(element: Any, *, without: Collection[Any] = ()) -> str:
    """All text of an element on one line, except what is dropped and the parts ``without``."""
    parts: list[str] = []
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, node in walk:
        if event == "start":
            if node is not element and (node.tag in _DROPPED or node in without or _is_hidden(node)):
                walk.skip_subtree()
            else:
                parts.append(node.text or "")
        elif node is not element:
            parts.append((" " if node.tag in _BLOCKS or node.tag == "br" else "") + (node.tail or ""))
    return _WHITE.sub(" ", "".join(parts)).strip()


def _rows(table: Any) -> list[list[str]]:
    return [
        [_spoken_text(cell) for cell in row if cell.tag in ("td", "th") and not _is_hidden(cell)]
        for row in table.iter("tr")
        if not _is_hidden(row)
    ]


def _caption(table: Any) -> str | None:
    caption = table.find("caption")
    return None if caption is None else _spoken_text(caption)


def _is_hidden(element: Any) -> bool:
    style = element.get("style", "").replace(" ", "").lower()
    return (
        element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or "display:none" in style
        or "visibility:hidden" in style
    )
