"""Tables that fit the terminal: a line of heads, and rows in which no word is broken.

What is too wide is made narrower in this order: ids are shortened to as many
characters as tell them apart, columns that can be spared are left out, texts go on
below where a space is, and only then are the longest words cut with ``…``; a number
never is. Programs, which read no terminal, get every column whole, a row a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from aquilon.cli.output import err, out, print_structs, printable

if TYPE_CHECKING:
    from msgspec import Struct

Row = TypeVar("Row", bound="Struct")

_GAP = 3
_UNBROKEN = 16
"""A text that is no wider stays on one line."""
_ID_CHARACTERS = 12
"""Of an id after its kind, at the least: the milliseconds it was made at, as `new_id` writes them."""
_LEAST_CUT = 6


@dataclass(frozen=True)
class Fitted:
    heads: list[str]
    lines: list[str]
    left_out: list[str]
    """The titles of the columns for which there was no room."""


@dataclass(frozen=True)
class Table:
    """``ids``, ``right`` and ``spare`` name columns; the first of ``spare`` is left out first."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()
    """Numbers: they end at the right, and are never broken."""
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
        """Without the control characters that somebody's text might steer the terminal with."""
        clean = tuple(tuple(" ".join(printable(cell).split()) for cell in row) for row in rows)
        return cls(tuple(titles), clean, frozenset(right), frozenset(ids), tuple(spare))

    def fitted(self, width: int | None) -> Fitted:
        """In so many columns of the terminal; None: in as many as it takes."""
        table = self
        whole = [max(*each) for each in zip(map(cell_len, self.titles), self._natural(), strict=True)]
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
            each if title in table.right else min(_LEAST_CUT, each)
            for title, each in zip(table.titles, least, strict=True)
        ]
        _narrow(widths, cut, width - table._gaps)
        return Fitted(table._row(table.titles, widths), table._lines(widths), left_out)

    @property
    def _gaps(self) -> int:
        return _GAP * (len(self.titles) - 1)

    def _column(self, place: int) -> list[str]:
        return [row[place] for row in self.rows]

    def _natural(self) -> list[int]:
        """Widths in which every cell is on one line; the head of numbers may take several."""
        return [
            max(
                _longest_word(title) if title in self.right else cell_len(title), *map(cell_len, self._column(place)), 0
            )
            for place, title in enumerate(self.titles)
        ]

    def _least(self) -> list[int]:
        """Widths in which no word is broken."""
        return [
            max(_longest_word(title), *(_unbroken(cell, title in self.right) for cell in self._column(place)), 0)
            for place, title in enumerate(self.titles)
        ]

    def _with_short_ids(self) -> Table:
        places = [place for place, title in enumerate(self.titles) if title in self.ids]
        shortened = {place: _short(self._column(place)) for place in places}
        rows = (
            tuple(shortened[place][number] if place in shortened else cell for place, cell in enumerate(row))
            for number, row in enumerate(self.rows)
        )
        return Table(self.titles, tuple(rows), self.right, self.ids, self.spare)

    def _without(self, title: str) -> Table:
        place = self.titles.index(title)
        rows = tuple(row[:place] + row[place + 1 :] for row in self.rows)
        return Table(self.titles[:place] + self.titles[place + 1 :], rows, self.right, self.ids, self.spare)

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
    """To standard output; what a narrow terminal leaves out is named on standard error."""
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
    """A row each, or JSON for programs; ``nothing`` is said where there are none. An ``id`` stands last."""
    if as_json:
        print_structs(list(rows))
        return
    if not rows and nothing:
        err().print(nothing)
        return
    cells = [[cell(row) for cell in columns.values()] for row in rows]
    print_table(Table.of(tuple(columns), cells, right=right, ids=("id",), spare=spare))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """A name and what there is to say of it a line; a long value goes on below, beside its name."""
    shown = [(name, " ".join(printable(value).split(" "))) for name, value in facts]
    console = out()
    indent = max(len(name) for name, _ in shown) + _GAP
    for name, value in shown:
        lines = wrapped(value, max(console.width - indent, 20), cut=False) if console.is_terminal else [value]
        for number, line in enumerate(lines):
            console.print(Text(f"{name if number == 0 else '':<{indent}}{line}"))


def wrapped(text: str, width: int, *, cut: bool = True) -> list[str]:
    """Lines of at most ``width`` columns, broken at spaces; a longer word is cut, or else stands out."""
    lines: list[str] = []
    for word in text.split(" "):
        if cut and cell_len(word) > width:
            word = set_cell_size(word, width - 1).rstrip() + "…" if width > 1 else "…"
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _unbroken(cell: str, number: bool) -> int:
    width = cell_len(cell)
    return width if number or width <= _UNBROKEN else max(_longest_word(cell), _UNBROKEN)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split(" ")))


def _short(ids: Sequence[str]) -> list[str]:
    """Each id's beginning, as long as it takes to tell all apart, and ``…``."""
    kinds = [each.find("_") + 1 for each in ids]
    for characters in range(_ID_CHARACTERS, max(map(len, ids), default=0)):
        short = [each[: kind + characters] for each, kind in zip(ids, kinds, strict=True)]
        if len(set(short)) == len(set(ids)):
            return [f"{short}…" if len(short) < len(each) else each for short, each in zip(short, ids, strict=True)]
    return list(ids)


def _narrow(widths: list[int], least: Sequence[int], room: int) -> None:
    """Take columns from the widest, one after the other, until all have room or none is wider than it must be."""
    while sum(widths) > room:
        place = max(range(len(widths)), key=lambda place: (widths[place] > least[place], widths[place]))
        if widths[place] <= least[place]:
            return
        widths[place] -= 1
