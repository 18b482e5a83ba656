"""How far a workbook's cells are apart, found out before a library makes room for all cells between them.

One cell at the end of a sheet, or one that is repeated a million times, is a few bytes in the
file and a gigabyte in memory. What is looked for here is what calamine takes for cells.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from aquilon.extraction.document import Unreadable

_MOST_CELLS = 10_000_000
"""Of a sheet's rectangle. A part of the most bytes that are read has fewer that aren't empty."""
_BLOCK = 1 << 20
_PLACE = re.compile(rb"""<(?:\w+:)?(?:row|c)\s[^>]*?\br=["']([A-Z]{0,3})(\d{1,7})["']""")
_OPEN = re.compile(
    rb"<table:table\s"
    rb"|<table:table-row\b(?P<row>[^>]*)>"
    rb"|<table:(?:covered-)?table-cell\b(?P<cell>[^>]*?)(?:(?P<empty>/>|>\s*</)|>)"
)
_REPEATED = re.compile(rb"""repeated=["'](\d{1,9})["']""")


def check_sheet_sizes(path: Path) -> None:
    """Raises Unreadable for a workbook with a sheet whose rectangle of cells is too large."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                _check(_spanned(_tags(archive, name)))
            elif name == "content.xml":
                for cells in _spanned_by_repeating(_tags(archive, name)):
                    _check(cells)


def _check(cells: int) -> None:
    if cells > _MOST_CELLS:
        raise Unreadable(
            "too_large",
            f"A sheet of this workbook has room for {cells:,} cells between its first and its last; at most "
            f"{_MOST_CELLS:,} are read: delete the cells far away from the others",
            {"limit": _MOST_CELLS, "value": cells},
        )


def _tags(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """An entry in blocks that cut no tag in two."""
    with archive.open(name) as part:
        rest = b""
        while block := part.read(_BLOCK):
            border = block.rfind(b"<")
            if border < 0:
                rest += block
                continue
            yield rest + block[:border]
            rest = block[border:]
        yield rest


def _spanned(blocks: Iterator[bytes]) -> int:
    """Of an XLSX sheet: the cells from the first row and column to the last."""
    rows: set[int] = set()
    columns: set[int] = set()
    for block in blocks:
        places = _PLACE.findall(block)
        rows = _ends(rows | set(map(int, {row for _, row in places})))
        columns = _ends(columns | set(map(_number, {letters for letters, _ in places if letters})))
    return _length(rows) * max(1, _length(columns))


def _ends(numbers: set[int]) -> set[int]:
    return {min(numbers), max(numbers)} if numbers else numbers


def _length(numbers: set[int]) -> int:
    return max(numbers) - min(numbers) + 1 if numbers else 0


def _number(letters: bytes) -> int:
    """A column's number: 1 for A, 27 for AA."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _spanned_by_repeating(blocks: Iterator[bytes]) -> Iterator[int]:
    """Of each ODS sheet: the cells up to the last row and column that aren't empty, repeated ones included."""
    row = column = last_row = last_column = 0
    for block in blocks:
        for tag in _OPEN.finditer(block):
            if tag["row"] is not None:
                row, column = row + _repeated(tag["row"]), 0
            elif tag["cell"] is not None:
                column += _repeated(tag["cell"])
                if tag["empty"] is None or b"value" in tag["cell"]:
                    last_row, last_column = row, max(last_column, column)
            else:
                yield last_row * last_column
                row = column = last_row = last_column = 0
    yield last_row * last_column


def _repeated(attributes: bytes) -> int:
    number = _REPEATED.search(attributes)
    return 1 if number is None else int(number[1])
