"""Tables of comma- or tab-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from aquilon.extraction.document import Unreadable
from aquilon.extraction.plain import decoded
from aquilon.extraction.reading import Reading

_SEPARATORS = ",;\t|"
_SAMPLE_LINES = 20
_MOST_FIELD_CHARACTERS = 1_000_000


def read_values(path: Path, reading: Reading) -> None:
    """The first row is the head. Raises Unreadable for what is no text."""
    text = decoded(path.read_bytes(), reading).replace("\0", "")
    csv.field_size_limit(_MOST_FIELD_CHARACTERS)
    source = io.StringIO(text, newline="")
    try:
        reading.table(_rows(source, len(text), reading))
    except csv.Error as error:
        line = text.count("\n", 0, source.tell()) + 1
        message = f"This table can't be divided into cells ({error}): is a quotation mark open before line {line}?"
        raise Unreadable("damaged", message, {"line": line}) from None


def _rows(source: io.StringIO, length: int, reading: Reading) -> Iterator[list[str]]:
    separator = _separator(source)
    for number, row in enumerate(csv.reader(source, delimiter=separator)):
        if number % 1000 == 0:
            reading.progress(source.tell(), length)
        yield row


def _separator(source: io.StringIO) -> str:
    """The one that divides the first rows into most columns, equally many in each."""
    lines = [line for _, line in zip(range(_SAMPLE_LINES), source, strict=False)]
    source.seek(0)

    def columns(separator: str) -> tuple[bool, int]:
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:
            return (False, 0)
        complete = counts[:-1] if len(lines) == _SAMPLE_LINES and len(counts) > 1 else counts
        return (len(set(complete)) == 1 and complete[0] > 1, max(complete, default=0))

    return max(_SEPARATORS, key=columns)
