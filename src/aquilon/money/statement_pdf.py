"""A statement as a PDF: A4, in English or French, with the fonts that every reader has.

Those fonts (PDF 1.7, 9.6.2.2) know Western European letters alone: others show as
"?" here, and whole in the JSON.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from aquilon.money.prices import MILLIONTHS_A_CENT
from aquilon.money.statements import Statement, StatementLine

Language = Literal["en", "fr"]

_WIDTH, _HEIGHT, _MARGIN = 595, 842, 56  # points, 1/72 inch
_ROW = 16
_LAST_ROW = 130
"""Where the last line of a page stands; below it are sums and the page's number."""
_DIGIT_WIDTHS = {" ": 0.278, ",": 0.278, ".": 0.278, "-": 0.333, "\u00a0": 0.278, "%": 0.889}
"""Helvetica's, in ems; every digit has 0.556."""
_COLUMNS = (
    ("workspace", 0, 17),
    ("model", 96, 24),
    ("requests", 244, 0),
    ("prompt", 304, 0),
    ("cached", 360, 0),
    ("completion", 412, 0),
    ("amount", 483, 0),
)
"""Name, place from the left margin (a right edge for numbers), and most characters (0 for numbers)."""


@dataclass(frozen=True)
class _Words:
    title: str
    draft: str
    period: str
    number: str
    customer: str
    columns: tuple[str, ...]
    net: str
    vat: str
    total: str
    nothing: str
    page: str
    tokens: str
    months: tuple[str, ...]
    thousands: str
    decimal: str


_ENGLISH = _Words(
    title="Statement",
    draft="The month is not over: figures until now",
    period="Period (UTC)",
    number="Number",
    customer="Customer",
    columns=("Workspace", "Model", "Requests", "Prompt", "Cached", "Completion", "Amount"),
    net="Net",
    vat="VAT",
    total="Total",
    nothing="Nothing was used in this month.",
    page="Page",
    tokens="Prompt, cached and completion are tokens; cached ones are part of the prompt.",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    thousands=",",
    decimal=".",
)
_FRENCH = _Words(
    title="Relevé",
    draft="Le mois n'est pas terminé : chiffres à ce jour",
    period="Période (UTC)",
    number="Numéro",
    customer="Client",
    columns=("Espace", "Modèle", "Requêtes", "Invite", "En cache", "Réponse", "Montant"),
    net="Hors taxe",
    vat="TVA",
    total="Total",
    nothing="Rien n'a été utilisé ce mois-ci.",
    page="Page",
    tokens="Invite, cache et réponse sont en jetons ; ceux du cache font partie de l'invite.",
    months=(
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ),
    thousands="\u00a0",
    decimal=",",
)


def statement_pdf(statement: Statement, language: Language = "en") -> bytes:
    """The same statement gives the same bytes."""
    import pydyf  # only here: nobody needs it to serve

    words = _FRENCH if language == "fr" else _ENGLISH
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
    for page in _pages(statement, words):
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


class _Page:
    """Marks in PDF's own language; ``y`` counts from the bottom."""

    def __init__(self) -> None:
        self.marks: list[bytes] = []

    def text(self, x: float, y: float, text: str, *, size: int = 10, bold: bool = False) -> None:
        encoded = text.encode("cp1252", "replace").hex()
        self.marks.append(f"BT /F{1 + bold} {size} Tf {x:.2f} {y:.2f} Td <{encoded}> Tj ET".encode())

    def number(self, right: float, y: float, text: str, *, size: int = 10, bold: bool = False) -> None:
        """Set to end at ``right``."""
        width = sum(_DIGIT_WIDTHS.get(character, 0.556) for character in text) * size
        self.text(right - width, y, text, size=size, bold=bold)

    def rule(self, y: float) -> None:
        self.marks.append(f"0.6 G 0.5 w {_MARGIN} {y} m {_WIDTH - _MARGIN} {y} l S".encode())


def _pages(statement: Statement, words: _Words) -> list[_Page]:
    pages = [_Page()]
    y = _head(pages[0], statement, words)
    for line in statement.lines:
        if y < _LAST_ROW:
            pages.append(_Page())
            y = _column_heads(pages[-1], _HEIGHT - 70, words)
        _row(pages[-1], y, line, words)
        y -= _ROW
    if not statement.lines:
        pages[-1].text(_MARGIN, y, words.nothing)
        y -= _ROW
    _sums(pages[-1], y, statement, words)
    for number, page in enumerate(pages, 1):
        page.text(_MARGIN, 40, f"{statement.number}  ·  {words.page} {number} / {len(pages)}", size=8)
    return pages


def _head(page: _Page, statement: Statement, words: _Words) -> int:
    y = _HEIGHT - 70
    for row in statement.seller.splitlines()[:6]:
        page.text(_MARGIN, y, row[:90], size=9)
        y -= 12
    y -= 24
    year, month = statement.month.name.split("-")
    page.text(_MARGIN, y, f"{words.title} · {words.months[int(month) - 1]} {year}", size=18, bold=True)
    y -= 26
    first, last = (
        datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
        for moment in (statement.month.starts_at, statement.month.ends_at - 1)
    )
    facts = [(words.customer, statement.customer), (words.number, statement.number)]
    for name, value in [*facts, (words.period, f"{first} – {last}")]:
        page.text(_MARGIN, y, name)
        page.text(_MARGIN + 112, y, value[:70])
        y -= 15
    if not statement.final:
        page.text(_MARGIN, y, words.draft, bold=True)
        y -= 15
    return _column_heads(page, y - 14, words)


def _column_heads(page: _Page, y: int, words: _Words) -> int:
    for (_, place, characters), name in zip(_COLUMNS, words.columns, strict=True):
        if characters:
            page.text(_MARGIN + place, y, name, size=8, bold=True)
        else:
            page.text(_MARGIN + place - 4.6 * len(name), y, name, size=8, bold=True)
    page.rule(y - 5)
    return y - 5 - _ROW


def _row(page: _Page, y: int, line: StatementLine, words: _Words) -> None:
    counts = (line.requests, line.prompt_tokens, line.cached_tokens, line.completion_tokens)
    cells = [line.workspace, line.model, *(_grouped(count, words) for count in counts), _exact(line.cost, words)]
    for (_, place, characters), cell in zip(_COLUMNS, cells, strict=True):
        if characters:
            shown = cell if len(cell) <= characters else cell[: characters - 1] + "…"
            page.text(_MARGIN + place, y, shown, size=8)
        else:
            page.number(_MARGIN + place, y, cell, size=8)


def _sums(page: _Page, y: int, statement: Statement, words: _Words) -> None:
    page.rule(y + 8)
    percent = f"{statement.vat_percent.normalize():f}".replace(".", words.decimal)
    rows: Sequence[tuple[str, int]] = (
        (words.net, statement.net),
        (f"{words.vat} {percent} %", statement.vat),
        (f"{words.total} ({statement.currency})", statement.total),
    )
    for name, amount in rows:
        y -= _ROW
        bold = name is rows[-1][0]
        page.text(_MARGIN + 318, y, name, bold=bold)
        page.number(_WIDTH - _MARGIN, y, _amount(amount, words), bold=bold)
    page.text(_MARGIN, 56, words.tokens, size=8)


def _grouped(count: int, words: _Words) -> str:
    return f"{count:,}".replace(",", words.thousands)


def _amount(cents: int, words: _Words) -> str:
    whole, rest = divmod(cents, 100)
    return f"{_grouped(whole, words)}{words.decimal}{rest:02}"


def _exact(cost: int, words: _Words) -> str:
    """Millionths of a cent as whole units with at least two and at most eight decimals: nothing is left out."""
    whole, rest = divmod(cost, 100 * MILLIONTHS_A_CENT)
    decimals = f"{rest:08}".rstrip("0").ljust(2, "0")
    return f"{_grouped(whole, words)}{words.decimal}{decimals}"
