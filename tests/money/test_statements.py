"""A month's statement: whole months, money rounded once, and a PDF that says the same in two languages."""

from __future__ import annotations

import ctypes
import struct
import tempfile
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import pypdfium2
import pypdfium2.raw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE, FPDF_PAGEOBJ_TEXT

from aquilon.money.helvetica import text_width
from aquilon.money.prices import MILLIONTHS_A_CENT
from aquilon.money.statement_logo import Image, LogoError, read_logo
from aquilon.money.statement_pdf import statement_pdf
from aquilon.money.statement_words import LANGUAGES, Language
from aquilon.money.statements import Month, Statement, StatementLine, added_up


def line(workspace: str, model: str, cost: int, tokens: int = 1000) -> StatementLine:
    return StatementLine(workspace, model, 3, tokens, tokens // 2, 20, cost)


def statement(*lines: StatementLine, vat: str = "20", final: bool = True, seller: str = "") -> Statement:
    return Statement(
        number="2026-11-AB",
        seller=seller,
        customer="Société Générée",
        month=Month.read("2026-11"),
        final=final,
        currency="EUR",
        vat_percent=Decimal(vat),
        lines=lines,
    )


@pytest.mark.parametrize(
    ("month", "first", "after"), [("2026-12", (2026, 12), (2027, 1)), ("2028-02", (2028, 2), (2028, 3))]
)
def test_a_month_goes_from_its_first_second_to_the_next_one_s(
    month: str, first: tuple[int, int], after: tuple[int, int]
) -> None:
    read = Month.read(month)
    assert read.starts_at == datetime(*first, 1, tzinfo=UTC).timestamp()
    assert read.ends_at == datetime(*after, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-01", "", "2026-11-01", "٢٠٢٦-11", "2026-11\n"])
def test_an_invalid_month_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 2026-11"):
        Month.read(text)


def test_the_sum_is_rounded_once_and_the_tax_is_of_the_rounded_sum() -> None:
    third = MILLIONTHS_A_CENT // 3 + 1
    bill = statement(*(line("a", f"m{number}", third) for number in range(3)), vat="19.6")
    assert (bill.exact, bill.net) == (3 * third, 1)  # each alone would round to nothing
    half = statement(line("a", "m", 1_500_000 * 100), vat="5.5")
    assert (half.net, half.vat, half.total) == (150, 8, 158)  # 8.25
    assert statement(line("a", "m", 2_500_000)).net == 3  # half up, not to even
    assert statement(line("a", "m", 2_499_999)).net == 2


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 10**15)), max_size=30))
def test_the_lines_of_a_statement_add_up_to_all_usage(rows: list[tuple[str, str, int]]) -> None:
    totals = added_up(line(*row) for row in rows)
    assert sum(total.cost for total in totals) == sum(cost for _, _, cost in rows)
    assert sum(total.prompt_tokens for total in totals) == 1000 * len(rows)
    assert [(total.workspace, total.model) for total in totals] == sorted({row[:2] for row in rows})


def text_of(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    return [page.get_textpage().get_text_range().replace("\u00a0", " ") for page in document]


def test_the_pdf_says_what_the_statement_says() -> None:
    bill = statement(line("research", "smollm2-135m", 123_456_789_012, 1_234_567), vat="5.50", seller="House\nParis")
    [page] = text_of(statement_pdf(bill))
    for expected in ("House", "Paris", "Statement", "November 2026", "Société Générée", "2026-11-01 – 2026-11-30"):
        assert expected in page
    for expected in (
        "research",
        "smollm2-135m",
        "1,234,567",
        "1,234.56789012",
        "1,234.57",
        "VAT 5.5 %",
        "67.90",
        "1,302.47",
    ):
        assert expected in page
    assert "not over" not in page


def test_the_french_pdf_is_in_french() -> None:
    [page] = text_of(statement_pdf(statement(line("été", "m", 100_000_000 * 1234), final=False), "fr"))
    for expected in (
        "Relevé",
        "novembre 2026",
        "été",
        "1 234,00",
        "TVA 20 %",
        "246,80",
        "1 480,80",
        "n'est pas terminé",
    ):
        assert expected in page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "de",
            (
                "Abrechnung · November 2026",
                "Gelesen",
                "01.11.2026 – 30.11.2026",
                "1.234,00",
                "MwSt. 20 %",
                "nicht vorbei",
            ),
        ),
        (
            "es",
            (
                "Extracto · noviembre de 2026",
                "Leídos",
                "01/11/2026 – 30/11/2026",
                "1.234,00",
                "IVA 20 %",
                "no ha terminado",
            ),
        ),
        (
            "it",
            ("Rendiconto · novembre 2026", "Letti", "01/11/2026 – 30/11/2026", "1.234,00", "IVA 20 %", "non è finito"),
        ),
    ],
)
def test_the_pdf_is_in_the_wanted_language(language: Language, words: tuple[str, ...]) -> None:
    bill = statement(line("Prüfstände", "m", 100_000_000 * 1234), final=False)
    [page] = text_of(statement_pdf(bill, language))
    for expected in words:
        assert expected in page


def test_a_long_statement_has_pages_and_an_empty_one_says_so() -> None:
    pages = text_of(statement_pdf(statement(*(line("w", f"model-{number:03}", 1) for number in range(120)))))
    assert len(pages) == 3
    assert all(f"model-{number:03}" in "".join(pages) for number in range(120))
    assert "Page 3 / 3" in pages[-1]
    assert "Total" in pages[-1]
    assert "Nothing was used" in text_of(statement_pdf(statement()))[0]


def test_letters_that_the_font_lacks_do_not_break_the_pdf() -> None:
    assert "? (EUR" not in text_of(statement_pdf(statement(line("研究", "µ € Ł", 1))))[0]


def test_the_same_statement_gives_the_same_bytes() -> None:
    bill = statement(line("a", "m", 5))
    assert statement_pdf(bill) == statement_pdf(bill)


NAMES = st.text("abcdefgh ÉéMmW.-_/0123456789研", min_size=1, max_size=90)
COUNTS = st.integers(0, 10**13)
LINES = st.builds(StatementLine, NAMES, NAMES, COUNTS, COUNTS, COUNTS, COUNTS, st.integers(0, 10**18))
SELLERS = st.lists(st.text("abcMW éß,.", max_size=200), max_size=6).map("\n".join)


@settings(max_examples=40, deadline=None)
@given(st.lists(LINES, max_size=70), SELLERS, st.sampled_from(LANGUAGES), st.booleans(), NAMES)
def test_no_two_marks_of_a_statement_overlap_and_none_leaves_the_page(
    lines: list[StatementLine], seller: str, language: Language, final: bool, customer: str
) -> None:
    bill = replace(statement(*lines, final=final, seller=seller), customer=customer)
    document = pypdfium2.PdfDocument(statement_pdf(bill, language, a_logo()))
    for page in document:
        texts = [box(mark) for mark in page.get_objects([FPDF_PAGEOBJ_TEXT], max_depth=1)]
        pictures = [box(mark) for mark in page.get_objects([FPDF_PAGEOBJ_IMAGE], max_depth=1)]
        for place, (left, bottom, right, top) in enumerate(marks := texts + pictures):
            assert left >= 55
            assert right <= 540
            assert (bottom > 30, top < 820) == (True, True)
            for other in marks[place + 1 :]:
                beside = other[0] >= right + 2 or other[2] <= left - 2
                assert beside or other[1] >= top or other[3] <= bottom, "two marks touch"


def box(mark: pypdfium2.PdfObject) -> tuple[float, float, float, float]:
    left, bottom, right, top = mark.get_bounds()
    return left, bottom, right, top


def test_long_names_are_whole_on_the_statement() -> None:
    model, workspace = "Ministral-3-8B-Instruct-2512-Q4_K_M-with-a-long-name", "Recherche et développement européen"
    page = text_of(statement_pdf(statement(line(workspace, model, 10**12))))[0]
    together = "".join(page.split())
    assert "".join(model.split()) in together.replace("\ufffe", "-")
    assert all(word in page for word in workspace.split())


@pytest.mark.parametrize("bold", [False, True])
def test_widths_are_those_of_the_reader_s_own_font(bold: bool) -> None:
    letters = "".join(chr(code) for code in (*range(33, 127), *range(0xC0, 0x100)))
    document = pypdfium2.PdfDocument.new()
    name = b"Helvetica-Bold" if bold else b"Helvetica"
    font = pypdfium2.raw.FPDFText_LoadStandardFont(document.raw, name)
    for letter in letters:
        width = ctypes.c_float()
        assert pypdfium2.raw.FPDFFont_GetGlyphWidth(font, ord(letter), 1000.0, ctypes.byref(width))
        assert (letter, text_width(letter, 1000, bold=bold)) == (letter, pytest.approx(width.value, abs=1))


def png(pixels: bytes, width: int, height: int, colour: int, filters: int = 0, **chunks: bytes) -> bytes:
    """A PNG of these pixels, every row with the same filter, which the pixels have already gone through."""
    step = len(pixels) // height
    rows = b"".join(bytes([filters]) + pixels[row * step : (row + 1) * step] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = [
        (b"IHDR", header),
        *((name.encode(), data) for name, data in chunks.items()),
        (b"IDAT", zlib.compress(rows)),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in [*parts, (b"IEND", b"")]
    )


@cache
def a_logo() -> Image:
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(png(bytes([200, 30, 30, 128] * 80), 16, 5, 6))
        file.flush()
        return read_logo(Path(file.name))


@pytest.mark.parametrize(
    ("content", "opacity"),
    [
        (png(bytes([10, 20, 30] * 4), 2, 2, 2), None),
        (png(bytes([10, 20] * 2), 2, 2, 0), None),
        (png(bytes([0, 1, 1, 0]), 2, 2, 3, PLTE=bytes(6)), None),
        (png(bytes([10, 20, 30, 255] * 4), 2, 2, 6), [255, 255, 255, 255]),
        (png(bytes([9, 40, 9, 80]), 1, 2, 4), [40, 80]),
        (png(bytes([0, 1, 1, 0]), 2, 2, 3, PLTE=bytes(6), tRNS=bytes([7])), [7, 255, 255, 7]),
        (png(bytes([1, 10, 1, 10, 1, 10, 1, 10]), 2, 2, 4, filters=1), [10, 20, 10, 20]),  # each less its left one
        (png(bytes([1, 10, 1, 10, 1, 10, 1, 10]), 2, 2, 4, filters=2), [10, 10, 20, 20]),  # each less the one above
        (png(bytes([1, 10, 1, 10, 1, 10, 1, 10]), 2, 2, 4, filters=3), [10, 15, 15, 25]),  # less their mean
        (png(bytes([1, 10, 1, 10, 1, 10, 1, 10]), 2, 2, 4, filters=4), [10, 20, 20, 30]),  # less Paeth's guess
    ],
)
def test_a_png_is_a_logo_with_its_transparency(content: bytes, opacity: list[int] | None, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(content)
    image = read_logo(tmp_path / "logo.png")
    assert (None if image.mask is None else list(zlib.decompress(image.mask))) == opacity
    [page] = pypdfium2.PdfDocument(statement_pdf(statement(), "en", image))
    assert len(list(page.get_objects([FPDF_PAGEOBJ_IMAGE], max_depth=1))) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"GIF89a", "neither a PNG nor a JPEG"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (png(bytes([10, 20, 30, 255] * 4), 2, 2, 6)[:60], "damaged"),
        (png(bytes([10, 20, 30] * 4), 2, 2, 2)[:-20] + bytes(20), "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "no picture"),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x04", "save it as RGB"),
        (b"x" * 3 * 2**20, "more than 2 MB"),
    ],
)
def test_an_invalid_logo_is_refused_with_the_reason(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "logo").write_bytes(content)
    with pytest.raises(LogoError, match=says):
        read_logo(tmp_path / "logo")
    with pytest.raises(LogoError, match="can't be read"):
        read_logo(tmp_path / "gone.png")


@pytest.mark.parametrize(("language", "says"), [("en", "VAT number"), ("fr", "Numéro de TVA")])
def test_a_customer_s_vat_number_is_on_the_statement(language: Language, says: str) -> None:
    with_number = replace(statement(line("w", "m", 1)), customer_vat_number="FR12345678901")
    document = pypdfium2.PdfDocument(statement_pdf(with_number, language))
    text = document[0].get_textpage().get_text_bounded()
    assert says in text
    assert "FR12345678901" in text
    without = pypdfium2.PdfDocument(statement_pdf(statement(line("w", "m", 1)), language))
    assert says not in without[0].get_textpage().get_text_bounded()
