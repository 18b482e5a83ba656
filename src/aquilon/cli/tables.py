"""Tables that fit the terminal.

A table that is too wide is made narrower in this order: ids are shortened as far as
they stay distinct, spare columns are left out, texts are wrapped at spaces, and last
the longest words are cut with ``…``. A number is never cut. Without a terminal every
column is whole and every row is one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from aquilon.cli.output import err, out, print_structs, printable

if TYPE_CHECKING:
    from msgspec import Struct

Row = TypeVar("Row", bound="Struct")

_GAP = 3
_UNBROKEN = 16
"""A text of at most so many columns stays on one line."""
_ID_CHARACTERS = 12
"""The least that is shown of an id after its kind: its time in milliseconds, as `new_id` writes it."""
_LEAST_CUT = 6


@dataclass(frozen=True)
class Fitted:
    heads: list[str]
    lines: list[str]
    left_out: list[str]
    """The titles of the columns for which there was no room."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """``ids``, ``right`` and ``spare`` name columns; the first of ``spare`` is left out first."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()
    """Columns of numbers: aligned to the right, never wrapped."""
    ids: frozenset[str] = frozenset()
    spare: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        titles: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        right: Iterable[str] = (),
        ids: Iterable[str] = (),
        spare: Sequence[str] = (),
    ) -> Table:
        """Cells lose control characters, which could control the terminal, and line breaks."""
        clean = tuple(tuple(" ".join(printable(cell).split()) for cell in row) for row in rows)
        return cls(titles=tuple(titles), rows=clean, right=frozenset(right), ids=frozenset(ids), spare=tuple(spare))

    def fitted(self, width: int | None) -> Fitted:
        """The table in ``width`` columns of the terminal; None: as wide as it needs."""
        table = self
        whole = [max(*pair) for pair in zip(map(cell_len, self.titles), self._natural(), strict=True)]
        if width is None or sum(whole) + self._gaps <= width:
            return Fitted(self._row(self.titles, whole), self._lines(whole), [])
        if sum(table._natural()) + table._gaps > width:
            table = table._with_short_ids()
        left_out: list[str] = []
        for title in table.spare:
            if sum(table._least()) + table._gaps <= width:
                break
            left_out.append(title)
            table = table._without(title)
        widths = table._natural()
        least = table._least()
        _narrow(widths, least, width - table._gaps)
        cut = [
            width if title in table.right else min(_LEAST_CUT, width)
            for title, width in zip(table.titles, least, strict=True)
        ]
        _narrow(widths, cut, width - table._gaps)
        return Fitted(table._row(table.titles, widths), table._lines(widths), left_out)

    @property
    def _gaps(self) -> int:
        return _GAP * (len(self.titles) - 1)

    def _column(self, index: int) -> list[str]:
        return [row[index] for row in self.rows]

    def _natural(self) -> list[int]:
        """Widths in which every cell is on one line; the head of numbers may take several."""
        return [
            max(
                _longest_word(title) if title in self.right else cell_len(title), *map(cell_len, self._column(index)), 0
            )
            for index, title in enumerate(self.titles)
        ]

    def _least(self) -> list[int]:
        """Widths in which no word is broken."""
        return [
            max(_longest_word(title), *(_unbroken(cell, title in self.right) for cell in self._column(index)), 0)
            for index, title in enumerate(self.titles)
        ]

    def _with_short_ids(self) -> Table:
        shortened = {index: _short(self._column(index)) for index, title in enumerate(self.titles) if title in self.ids}
        rows = (
            tuple(shortened[index][number] if index in shortened else cell for index, cell in enumerate(row))
            for number, row in enumerate(self.rows)
        )
        return replace(self, rows=tuple(rows))

    def _without(self, title: str) -> Table:
        index = self.titles.index(title)
        rows = tuple(row[:index] + row[index + 1 :] for row in self.rows)
        return replace(self, titles=self.titles[:index] + self.titles[index + 1 :], rows=rows)

    def _lines(self, widths: Sequence[int]) -> list[str]:
        return [line for row in self.rows for line in self._row(row, widths)]

    def _row(self, row: Sequence[str], widths: Sequence[int]) -> list[str]:
        cells = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        lines = []
        for number in range(max(map(len, cells))):
            pieces = []
            for title, cell, width in zip(self.titles, cells, widths, strict=True):
                text = cell[number] if number < len(cell) else ""
                padding = " " * (width - cell_len(text))
                pieces.append(padding + text if title in self.right else text + padding)
            lines.append((" " * _GAP).join(pieces).rstrip())
        return lines


def print_table(table: Table) -> None:
    """Print to standard output; standard error names the columns that a narrow terminal leaves out."""
    console = out()
    fitted = table.fitted(console.width if console.is_terminal else None)
    for line in fitted.heads:
        console.print(Text(line, style="dim"))
    for line in fitted.lines:
        console.print(Text(line))
    if fitted.left_out:
        titles = ", ".join(fitted.left_out)
        err().print(f"[dim]Left out here: {titles}. A wider terminal shows all, and so does --json[/]")


def print_list(
    rows: Sequence[Row],
    columns: Mapping[str, Callable[[Row], str]],
    *,
    as_json: bool,
    nothing: str = "",
    right: tuple[str, ...] = (),
    spare: tuple[str, ...] = (),
) -> None:
    """Print a table, or JSON for programs; ``nothing`` is printed if there are no rows. An ``id`` column is an id."""
    if as_json:
        print_structs(list(rows))
        return
    if not rows and nothing:
        err().print(nothing)
        return
    cells = [[cell(row) for cell in columns.values()] for row in rows]
    print_table(Table.of(tuple(columns), cells, right=right, ids=("id",), spare=spare))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print one fact per line: its name and its value. A long value continues on the next line, indented."""
    shown = [(name, " ".join(printable(value).split(" "))) for name, value in facts]
    console = out()
    indent = max(len(name) for name, _ in shown) + _GAP
    for name, value in shown:
        lines = wrapped(value, max(console.width - indent, 20), cut=False) if console.is_terminal else [value]
        for number, line in enumerate(lines):
            console.print(Text(f"{name if number == 0 else '':<{indent}}{line}"))


def wrapped(text: str, width: int, *, cut: bool = True) -> list[str]:
    """Lines of at most ``width`` columns, broken at spaces; a longer word is cut, or without ``cut`` stays whole."""
    lines: list[str] = []
    for word in text.split(" "):
        if cut and cell_len(word) > width:
            word = set_cell_size(word, width - 1).rstrip() + "…" if width > 1 else "…"
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _unbroken(cell: str, is_number: bool) -> int:
    width = cell_len(cell)
    return width if is_number or width <= _UNBROKEN else max(_longest_word(cell), _UNBROKEN)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split(" ")))


def _short(ids: Sequence[str]) -> list[str]:
    """The beginning of each id and ``…``, as long as needed to keep all distinct."""
    kinds = [id.find("_") + 1 for id in ids]
    for characters in range(_ID_CHARACTERS, max(map(len, ids), default=0)):
        short = [id[: kind + characters] for id, kind in zip(ids, kinds, strict=True)]
        if len(set(short)) == len(set(ids)):
            return [f"{begin}…" if len(begin) < len(id) else id for begin, id in zip(short, ids, strict=True)]
    return list(ids)


def _narrow(widths: list[int], least: Sequence[int], room: int) -> None:
    """Reduce the widest column by one, again and again, until the sum fits or every column has its least width."""
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda index: (widths[index] > least[index], widths[index]))
        if widths[widest] <= least[widest]:
            return
        widths[widest] -= 1
