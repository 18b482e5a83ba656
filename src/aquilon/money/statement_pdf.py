"""A statement as a PDF: A4, in five languages, with the fonts that every reader has.

Those fonts (PDF 1.7, 9.6.2.2) have Western European letters only. Other letters show
as "?" here; the JSON has them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aquilon.money.helvetica import text_width, wrapped
from aquilon.money.prices import MILLIONTHS_A_CENT
from aquilon.money.statement_logo import Image
from aquilon.money.statement_words import WORDS, Language, Words
from aquilon.money.statements import Statement, StatementLine

_WIDTH, _HEIGHT, _MARGIN = 595, 842, 56  # points, 1/72 inch
_ROOM = _WIDTH - 2 * _MARGIN
_GAP = 10
"""The least distance between two columns, in points."""
_LEADING = 1.3
"""The distance between two lines, in type sizes."""
_TOP, _BOTTOM = _HEIGHT - 64, 92
"""The heights of a page's first and last lines; notes and the page number stand below."""
_SIZES = (8.0, 7.5, 7.0, 6.5, 6.0, 5.5, 5.0)
"""Type sizes of the table. The first that leaves the names enough room beside the numbers is used."""
_NAME_ROOM = 90
"""Enough room for one line of a name, in points. Longer names take several lines."""
_LOGO_WIDTH, _LOGO_HEIGHT = 150, 54
_SUMS_HEIGHT = 70


def statement_pdf(statement: Statement, language: Language = "en", logo: Image | None = None) -> bytes:
    """The same statement gives the same bytes."""
    import pydyf  # imported here, since the server starts without it

    words = WORDS[language]
    document: Any = pydyf.PDF()
    fonts = {
        name: pydyf.Dictionary(
            {"Type": "/Font", "Subtype": "/Type1", "BaseFont": f"/{face}", "Encoding": "/WinAnsiEncoding"}
        )
        for name, face in (("F1", "Helvetica"), ("F2", "Helvetica-Bold"))
    }
    for font in fonts.values():
        document.add_object(font)
    resources = pydyf.Dictionary({"Font": pydyf.Dictionary({name: font.reference for name, font in fonts.items()})})
    if logo is not None:
        resources["XObject"] = pydyf.Dictionary({"Logo": _add_image(document, logo).reference})
    for page in _Layout(statement, words, logo).pages:
        stream = pydyf.Stream(page.marks, compress=True)
        document.add_object(stream)
        document.add_page(
            pydyf.Dictionary(
                {
                    "Type": "/Page",
                    "Parent": document.pages.reference,
                    "MediaBox": pydyf.Array([0, 0, _WIDTH, _HEIGHT]),
                    "Contents": stream.reference,
                    "Resources": resources,
                }
            )
        )
    document.info["Title"] = pydyf.String(f"{words.title} {statement.number}")
    document.catalog["Lang"] = pydyf.String(language)
    file = io.BytesIO()
    document.write(file)
    return file.getvalue()


def _add_image(document: Any, image: Image) -> Any:
    import pydyf

    size = {"Type": "/XObject", "Subtype": "/Image", "Width": image.width, "Height": image.height}
    entries = size | dict(image.entries)
    if image.mask is not None:
        opacity = {"ColorSpace": "/DeviceGray", "BitsPerComponent": 8, "Filter": "/FlateDecode"}
        mask = pydyf.Stream([image.mask], size | opacity)
        document.add_object(mask)
        entries["SMask"] = mask.reference
    stream = pydyf.Stream([image.data], entries)
    document.add_object(stream)
    return stream


class _Page:
    """A page as PDF operators. ``y`` counts from the bottom, in points."""

    def __init__(self) -> None:
        self.marks: list[bytes] = []

    def text(self, x: float, y: float, text: str, *, size: float = 10, bold: bool = False) -> None:
        encoded = text.encode("cp1252", "replace").hex()
        self.marks.append(f"BT /F{1 + bold} {size:g} Tf {x:.2f} {y:.2f} Td <{encoded}> Tj ET".encode())

    def text_until(self, right: float, y: float, text: str, *, size: float = 10, bold: bool = False) -> None:
        """Write a text that ends at ``right``."""
        self.text(right - text_width(text, size, bold=bold), y, text, size=size, bold=bold)

    def rule(self, y: float) -> None:
        self.marks.append(f"0.6 G 0.5 w {_MARGIN} {y:.2f} m {_WIDTH - _MARGIN} {y:.2f} l S".encode())

    def logo(self, right: float, top: float, image: Image) -> None:
        """Draw the logo as large as its room allows, with its upper right corner at (right, top)."""
        scale = min(_LOGO_WIDTH / image.width, _LOGO_HEIGHT / image.height)
        width, height = image.width * scale, image.height * scale
        place = f"{width:.2f} 0 0 {height:.2f} {right - width:.2f} {top - height:.2f}"
        self.marks.append(f"q {place} cm /Logo Do Q".encode())


@dataclass(frozen=True)
class _Column:
    left: float
    right: float
    number: bool
    """A number is one line that ends at ``right``; a name starts at ``left`` and may take several lines."""


class _Table:
    """The places of the columns, computed from the widths of their cells."""

    def __init__(self, rows: Sequence[Sequence[str]], heads: Sequence[str], names: int = 2) -> None:
        self.heads = heads
        for size in _SIZES:
            numbers = [
                max(
                    *(text_width(row[place], size) for row in rows),
                    *(text_width(word, size, bold=True) for word in heads[place].split(" ")),
                    0.0,
                )
                for place in range(names, len(heads))
            ]
            widest = [
                max(text_width(heads[place], size, bold=True), *(text_width(row[place], size) for row in rows), 0.0)
                for place in range(names)
            ]
            room = _ROOM - sum(numbers) - _GAP * (len(heads) - 1)
            if room >= sum(min(width, _NAME_ROOM) for width in widest):
                break
        self.size = size
        widths = [*_shares(room, widest), *numbers]
        spare = (_ROOM - sum(widths)) / (len(heads) - 1)  # between two columns: the gap and the unused room
        self.columns: list[_Column] = []
        left = float(_MARGIN)
        for place, width in enumerate(widths):
            self.columns.append(_Column(left, left + width, number=place >= names))
            left += width + spare

    def lines(self, cells: Sequence[str], *, bold: bool = False) -> list[list[str]]:
        """Each cell as lines that fit into its column."""
        return [
            [cell]
            if column.number and not bold
            else wrapped(cell, column.right - column.left + 0.01, self.size, bold=bold)
            for column, cell in zip(self.columns, cells, strict=True)
        ]

    def draw(self, page: _Page, y: float, lines: Sequence[Sequence[str]], *, bold: bool = False) -> None:
        for column, cell in zip(self.columns, lines, strict=True):
            for number, line in enumerate(cell):
                place = y - number * self.size * _LEADING
                if column.number:
                    page.text_until(column.right, place, line, size=self.size, bold=bold)
                else:
                    page.text(column.left, place, line, size=self.size, bold=bold)


class _Layout:
    """Draws the statement's pages, from the first line to the last."""

    def __init__(self, statement: Statement, words: Words, logo: Image | None) -> None:
        self._statement = statement
        self._words = words
        heads = [*words.columns[:-1], f"{words.columns[-1]} {statement.currency}"]
        rows = [_cells(line, words) for line in statement.lines]
        self._table = _Table(rows or [[""] * len(heads)], heads)
        self.pages = [_Page()]
        self._y = float(_TOP)
        self._head(logo)
        self._column_heads()
        for row in rows:
            self._row(row)
        if not rows:
            self._page.text(_MARGIN, self._y, words.nothing, size=9)
            self._y -= 18
        self._sums()
        for number, page in enumerate(self.pages, 1):
            page.text(_MARGIN, 40, statement.number, size=8)
            page.text_until(_WIDTH - _MARGIN, 40, f"{words.page} {number} / {len(self.pages)}", size=8)

    @property
    def _page(self) -> _Page:
        return self.pages[-1]

    def _next_page(self) -> None:
        """Start a page with the customer and the month at its head."""
        self.pages.append(_Page())
        self._y = float(_TOP)
        [line, *_] = wrapped(f"{self._title()} · {self._statement.customer}", _ROOM, 9)
        self._page.text(_MARGIN, self._y, line, size=9)
        self._y -= 26

    def _title(self) -> str:
        year, month = self._statement.month.name.split("-")
        named = self._words.month_of_year.format(month=self._words.months[int(month) - 1], year=year)
        return f"{self._words.title} · {named}"

    def _head(self, logo: Image | None) -> None:
        room = _ROOM - (0 if logo is None else _LOGO_WIDTH + _GAP)
        top = self._y
        if logo is not None:
            self._page.logo(_WIDTH - _MARGIN, top + 10, logo)
        name, *address = [row.strip() for row in self._statement.seller.splitlines() if row.strip()] or [""]
        self._paragraph(name, room, size=11, bold=True)
        for row in address:
            self._paragraph(row, room, size=9)
        if logo is not None:
            self._y = min(self._y, top + 10 - _LOGO_HEIGHT)
        self._y -= 28
        self._paragraph(self._title(), _ROOM, size=18, bold=True)
        self._y -= 6
        first, last = (
            datetime.fromtimestamp(moment, UTC).strftime(self._words.date)
            for moment in (self._statement.month.starts_at, self._statement.month.ends_at - 1)
        )
        facts = [
            (self._words.customer, self._statement.customer),
            (self._words.vat_number, self._statement.customer_vat_number),
            (self._words.number, self._statement.number),
            (self._words.period, f"{first} – {last}"),
        ]
        facts = [(name, value) for name, value in facts if value]
        indent = max(text_width(name, 10) for name, _ in facts) + 2 * _GAP
        for name, value in facts:
            self._page.text(_MARGIN, self._y, name)
            self._paragraph(value, _ROOM - indent, indent=indent)
        if not self._statement.final:
            self._y -= 4
            self._paragraph(self._words.draft, _ROOM, bold=True)
        self._y -= 18

    def _paragraph(self, text: str, room: float, *, size: float = 10, bold: bool = False, indent: float = 0) -> None:
        for line in wrapped(text, room, size, bold=bold) if text else ():
            self._page.text(_MARGIN + indent, self._y, line, size=size, bold=bold)
            self._y -= size * 1.4

    def _column_heads(self) -> None:
        """Draw the heads, aligned at the rule below them; a head of several words may take several lines."""
        lines = self._table.lines(self._table.heads, bold=True)
        most = max(map(len, lines))
        lines = [[""] * (most - len(cell)) + cell for cell in lines]
        self._table.draw(self._page, self._y, lines, bold=True)
        self._y -= (most - 1) * self._table.size * _LEADING + 5
        self._page.rule(self._y)
        self._y -= self._table.size * 1.7

    def _row(self, cells: Sequence[str]) -> None:
        lines = self._table.lines(cells)
        height = (max(map(len, lines)) - 1) * self._table.size * _LEADING
        if self._y - height < _BOTTOM:
            self._next_page()
            self._column_heads()
        self._table.draw(self._page, self._y, lines)
        self._y -= height + self._table.size * 1.8

    def _sums(self) -> None:
        if self._y - _SUMS_HEIGHT < _BOTTOM - 20:
            self._next_page()
        statement, words = self._statement, self._words
        percent = f"{statement.vat_percent.normalize():f}".replace(".", words.decimal)
        rows = (
            (words.net, statement.net, False),
            (f"{words.vat} {percent} %", statement.vat, False),
            (f"{words.total} ({statement.currency})", statement.total, True),
        )
        self._page.rule(self._y + 4)
        amounts = [_amount(amount, words) for _, amount, _ in rows]
        right = _WIDTH - _MARGIN
        left = right - max(text_width(amount, 10, bold=True) for amount in amounts) - 2 * _GAP
        left -= max(text_width(name, 10, bold=True) for name, _, _ in rows)
        for (name, _, bold), amount in zip(rows, amounts, strict=True):
            self._y -= 16
            self._page.text(left, self._y, name, bold=bold)
            self._page.text_until(right, self._y, amount, bold=bold)
        for number, line in enumerate(reversed(wrapped(words.tokens, _ROOM, 8))):
            self._page.text(_MARGIN, 56 + number * 8 * _LEADING, line, size=8)


def _shares(room: float, preferred: Sequence[float]) -> list[float]:
    """Widths that add up to at most ``room``: narrow columns get their preferred width, wide ones share the rest."""
    widths = list(preferred)
    if sum(preferred) > room:
        equal = room / len(preferred)
        small = sum(width for width in preferred if width <= equal)
        large = sum(width > equal for width in preferred)
        widths = [width if width <= equal else (room - small) / large for width in preferred]
    return widths


def _cells(line: StatementLine, words: Words) -> list[str]:
    counts = (line.requests, line.prompt_tokens, line.cached_tokens, line.completion_tokens)
    return [line.workspace, line.model, *(_grouped(count, words) for count in counts), _exact(line.cost, words)]


def _grouped(count: int, words: Words) -> str:
    return f"{count:,}".replace(",", words.thousands)


def _amount(cents: int, words: Words) -> str:
    whole, rest = divmod(cents, 100)
    return f"{_grouped(whole, words)}{words.decimal}{rest:02}"


def _exact(cost: int, words: Words) -> str:
    """Millionths of a cent as currency units, exact: at least two and at most eight decimals."""
    whole, rest = divmod(cost, 100 * MILLIONTHS_A_CENT)
    decimals = f"{rest:08}".rstrip("0").ljust(2, "0")
    return f"{_grouped(whole, words)}{words.decimal}{decimals}"
