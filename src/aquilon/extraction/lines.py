"""Lines on pages made into headings, paragraphs and lists.

A page has no paragraphs, only lines at places. A line goes on in the next one if that
follows at the usual distance in the same size; the end between them was the margin's
doing, and becomes a blank, if the next line's first word wouldn't have fitted before it.
Other line ends are the author's, such as a table's or a poem's, and stay.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from itertools import pairwise
from statistics import median

import msgspec

from aquilon.extraction.reading import Reading

_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_EDGE_LINES = 2
"""A header or footer is among so many lines from the top or bottom."""
_FEWEST_REPEATS = 3
_PAGE_NUMBER = re.compile(r"(?<![\d.,])[0-9]{1,4}(?![\d.,]?\d)")
_MOST_OFFSET = 100
"""Between a page's number and its place in the file: larger numbers that grow are rather invoices' or cases'."""
_Place = tuple[str, int, int]
_BULLET = re.compile("([•‣◦▪▫●○■□–—∙·*\u2043\uf0b7-])[ \t\u00a0]+(?=\\S)")
_NUMBER = re.compile(r"(\(?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)])[ \t\u00a0]+(?=\S)")
_ENDS_WITH_HYPHEN = re.compile(r"\w-$")
_COMPOUND = re.compile(r"\w+-\w+")
_LAST_WORD = re.compile(r"\w+$")
_MOST_WORD_CHARACTERS = 60
_FIRST_WORD = re.compile(r"\w+")
_MOST_HEADING_CHARACTERS = 200
_HEADING_RATIO = 1.15
_SAME_SIZE = 0.12
_LOOSE = 1.35
"""A distance from the line before that is so many times the usual one begins a paragraph."""
_INDENT = 1.0
_SAME_COLUMN = 3.0
"""In sizes of the font."""


class Line(msgspec.Struct, frozen=True):
    """Places are in points from the page's lower left corner.

    Of text that runs to the left, ``left`` and ``right`` are negative: it begins at the smaller one too.
    """

    text: str
    left: float
    right: float
    baseline: float
    size: float
    is_hyphenated: bool = False
    """A hyphen at its end is taken off: the word goes on in the next line."""
    is_measured: bool = True
    """Whether ``size`` is exact; OCR only guesses it."""


def add_pages(pages: list[list[Line]], reading: Reading) -> None:
    """Add the text of all pages, the first at index 0."""
    body = _body_size(line for lines in pages for line in lines)
    levels = _heading_levels(pages, body)
    compounds = {word.lower() for lines in pages for line in lines for word in _COMPOUND.findall(line.text)}
    for number, lines in enumerate(_without_repeats(pages), 1):
        reading.page = number
        margins = _Margins(lines)
        for block in _blocks(lines):
            _add(_joined(block, margins, compounds), levels.get(round(block[0].size, 1)), reading)
        reading.end_list()


def _body_size(lines: Iterable[Line]) -> float:
    """The size that most characters have."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[round(line.size, 1)] += len(line.text)
    return max(sizes, key=lambda size: sizes[size], default=0.0)


def _heading_levels(pages: list[list[Line]], body: float) -> dict[float, int]:
    """The sizes that only headings have, each with its level, the largest first."""
    sizes = {
        round(line.size, 1)
        for lines in pages
        for line in lines
        if line.is_measured and line.size >= _HEADING_RATIO * body
    }
    return {size: min(level, 6) for level, size in enumerate(sorted(sizes, reverse=True), 1)}


def _without_repeats(pages: list[list[Line]]) -> Iterator[list[Line]]:
    """The pages without headers and footers that several have at the same place; each stays where it comes first."""
    counts: Counter[_Place] = Counter()
    for number, lines in enumerate(pages, 1):
        counts.update({place for line in _edges(lines) for place in _places(line, number)})
    seen: set[_Place] = set()
    for number, lines in enumerate(pages, 1):
        dropped: set[int] = set()
        for line in _edges(lines):
            repeated = [place for place in _places(line, number) if counts[place] >= _FEWEST_REPEATS]
            if any(place in seen or not place[0].strip("#-– ") for place in repeated):
                dropped.add(id(line))
            seen.update(repeated)
        kept = [line for line in lines if id(line) not in dropped]
        yield kept or lines


def _edges(lines: list[Line]) -> list[Line]:
    """The uppermost and lowest lines of a page."""
    by_place = sorted(lines, key=lambda line: -line.baseline)
    return by_place if len(by_place) <= 2 * _EDGE_LINES else by_place[:_EDGE_LINES] + by_place[-_EDGE_LINES:]


def _places(line: Line, page: int) -> list[_Place]:
    """A line's text and how high it is, and the same with ``#`` for a number that may count the pages."""
    height = round(line.baseline / 3)
    counted = [
        (f"{line.text[: number.start()]}#{line.text[number.end() :]}", height, int(number[0]) - page)
        for number in _PAGE_NUMBER.finditer(line.text)
        if abs(int(number[0]) - page) <= _MOST_OFFSET
    ]
    return [(line.text, height, 0), *counted]


def _blocks(lines: list[Line]) -> Iterator[list[Line]]:
    """The lines of a page divided into those that belong together."""
    usual = _usual_distance(lines)
    block: list[Line] = []
    for line in lines:
        if block and _begins_block(line, block, usual):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _usual_distance(lines: list[Line]) -> float:
    """Between lines, in sizes of their font."""
    distances = [
        (before.baseline - line.baseline) / line.size
        for before, line in pairwise(lines)
        if line.size > 0 and 0.5 * line.size < before.baseline - line.baseline < 3 * line.size
    ]
    return median(distances) if distances else 1.2


def _begins_block(line: Line, block: list[Line], usual: float) -> bool:
    before = block[-1]
    if before.is_hyphenated:
        return False
    size = max(line.size, 0.1)
    if line.is_measured and abs(line.size - before.size) > _SAME_SIZE * max(line.size, before.size):
        return True
    if _BULLET.match(line.text) or _NUMBER.match(line.text):
        return True
    distance = (before.baseline - line.baseline) / size
    if distance > _LOOSE * usual or distance < -0.5 * usual:  # the latter at the top of the next column
        return True
    is_item = bool(_BULLET.match(block[0].text) or _NUMBER.match(block[0].text))
    return not is_item and line.left > before.left + _INDENT * size and distance > 0.5 * usual


class _Margins:
    """Where the lines of a page's columns end, by where they begin."""

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self._known: dict[tuple[int, int], float] = {}

    def right_of(self, line: Line) -> float:
        key = (round(line.left), round(line.size))
        if key not in self._known:
            near = _SAME_COLUMN * line.size
            self._known[key] = max(other.right for other in self._lines if abs(other.left - line.left) <= near)
        return self._known[key]


def _add(text: str, level: int | None, reading: Reading) -> None:
    if level is not None and len(text) <= _MOST_HEADING_CHARACTERS and any(map(str.isalpha, text)):
        reading.heading(text, level)
    elif (bullet := _BULLET.match(text)) is not None:
        reading.item(text[bullet.end() :])
    elif (number := _NUMBER.match(text)) is not None:
        reading.item(text[number.end() :], mark=number[1])
    else:
        reading.paragraph(text)


def _joined(block: list[Line], margins: _Margins, compounds: Container[str]) -> str:
    """The text of lines that belong together."""
    parts = [block[0].text]
    for before, line in pairwise(block):
        if before.is_hyphenated:
            parts.append("-" if _is_compound(before, line, compounds) else "")
        elif abs(before.baseline - line.baseline) < 0.3 * line.size:  # beside it
            parts.append(" ")
        else:
            wraps = _would_not_fit(line, before, margins.right_of(before))
            parts.append("\n" if not wraps else "" if _ENDS_WITH_HYPHEN.search(before.text[-2:]) else " ")
        parts.append(line.text)
    return "".join(parts).translate(_LIGATURES)


def _is_compound(before: Line, line: Line, compounds: Container[str]) -> bool:
    """Whether a hyphen belongs to the word, as the document writes it elsewhere or before a capital or a digit."""
    if not line.text[:1].islower():
        return True
    begin, end = _LAST_WORD.search(before.text[-_MOST_WORD_CHARACTERS:]), _FIRST_WORD.match(line.text)
    return begin is not None and end is not None and f"{begin[0]}-{end[0]}".lower() in compounds


def _would_not_fit(line: Line, before: Line, margin: float) -> bool:
    """Whether the first word of ``line`` has no room at the end of the line before it."""
    width = (line.right - line.left) / max(1, len(line.text))
    word = len(line.text.split(maxsplit=1)[0]) + 1
    return before.right + width * word > margin - 0.5 * width
