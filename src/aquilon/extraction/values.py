"""Tables of comma- or tab-separated values."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from aquilon.extraction.document import Unreadable
from aquilon.extraction.plain import decoded
from aquilon.extraction.reading import Reading

_SEPARATORS = ",;\t|"
_SAMPLE_LINES = 20
_MOST_FIELD_CHARACTERS = 1_000_000
_MOST_COLUMNS = 100_000
"""Of a line, before it is divided."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class _Lines:
    """A text's lines with their ends, and how far they have been read."""

    def __init__(self, text: str) -> None:
        self._lines = _LINE.finditer(text)
        self.number = 0
        self.position = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        """Raises Unreadable for a line of too many columns."""
        line = next(self._lines)
        self.number, self.position = self.number + 1, line.end()
        columns = 1 + max(line[0].count(separator) for separator in _SEPARATORS)
        if columns > _MOST_COLUMNS:
            raise Unreadable(
                "too_large",
                f"Line {self.number:,} of this table has {columns:,} columns; at most {_MOST_COLUMNS:,} are read",
                {"limit": _MOST_COLUMNS, "value": columns},
            )
        return line[0]


def read_values(path: Path, reading: Reading) -> None:
    """The first row is the head. Raises Unreadable for what is no text."""
    text = decoded(path.read_bytes(), reading).replace("\0", "")
    csv.field_size_limit(_MOST_FIELD_CHARACTERS)
    lines = _Lines(text)
    try:
        reading.table(_rows(lines, _separator(text), len(text), reading))
    except csv.Error as error:
        line = text.count("\n", 0, lines.position) + 1
        message = f"This table can't be divided into cells ({error}): is a quotation mark open before line {line}?"
        raise Unreadable("damaged", message, {"line": line}) from None


def _rows(lines: _Lines, separator: str, length: int, reading: Reading) -> Iterator[list[str]]:
    for number, row in enumerate(csv.reader(lines, delimiter=separator)):
        if number % 1000 == 0:
            reading.progress(lines.position, length)
        yield row


def _separator(text: str) -> str:
    """The one that divides the first rows into most columns, equally many in each."""
    lines = list(islice(_Lines(text), _SAMPLE_LINES))

    def columns(separator: str) -> tuple[bool, int]:
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:
            return (False, 0)
        complete = counts[:-1] if len(lines) == _SAMPLE_LINES and len(counts) > 1 else counts
        return (len(set(complete)) == 1 and complete[0] > 1, max(complete, default=0))

    return max(_SEPARATORS, key=columns)
