"""A month's statement: whole months, money rounded once, and a PDF that says the same in two languages."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.money.prices import MILLIONTHS_A_CENT
from aquilon.money.statement_pdf import statement_pdf
from aquilon.money.statements import Month, Statement, StatementLine, added_up


def line(workspace: str, model: str, cost: int, tokens: int = 1000) -> StatementLine:
    return StatementLine(workspace, model, 3, tokens, tokens // 2, 20, cost)


def statement(*lines: StatementLine, vat: str = "20", final: bool = True, seller: str = "") -> Statement:
    return Statement("2026-11-AB", seller, "Société Générée", Month.read("2026-11"), final, "EUR", Decimal(vat), lines)


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
def test_what_is_no_month_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 2026-11"):
        Month.read(text)


def test_the_sum_is_rounded_once_and_the_tax_is_of_the_rounded_sum() -> None:
    third = MILLIONTHS_A_CENT // 3 + 1
    told = statement(*(line("a", f"m{number}", third) for number in range(3)), vat="19.6")
    assert (told.exact, told.net) == (3 * third, 1)  # each alone would round to nothing
    half = statement(line("a", "m", 1_500_000 * 100), vat="5.5")
    assert (half.net, half.vat, half.total) == (150, 8, 158)  # 8.25
    assert statement(line("a", "m", 2_500_000)).net == 3  # half up, not to even
    assert statement(line("a", "m", 2_499_999)).net == 2


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 10**15)), max_size=30))
def test_adding_up_loses_nothing(rows: list[tuple[str, str, int]]) -> None:
    told = added_up(line(*row) for row in rows)
    assert sum(each.cost for each in told) == sum(cost for _, _, cost in rows)
    assert sum(each.prompt_tokens for each in told) == 1000 * len(rows)
    assert [(each.workspace, each.model) for each in told] == sorted({row[:2] for row in rows})


def text_of(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    return [page.get_textpage().get_text_range().replace("\u00a0", " ") for page in document]


def test_the_pdf_says_what_the_statement_says() -> None:
    told = statement(line("research", "smollm2-135m", 123_456_789_012, 1_234_567), vat="5.50", seller="House\nParis")
    [page] = text_of(statement_pdf(told))
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


def test_the_pdf_in_french() -> None:
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


def test_a_long_statement_has_pages_and_an_empty_one_says_so() -> None:
    pages = text_of(statement_pdf(statement(*(line("w", f"model-{number:03}", 1) for number in range(120)))))
    assert len(pages) == 4
    assert all(f"model-{number:03}" in "".join(pages) for number in range(120))
    assert "Page 4 / 4" in pages[-1]
    assert "Total" in pages[-1]
    assert "Nothing was used" in text_of(statement_pdf(statement()))[0]


def test_letters_that_the_font_lacks_do_not_break_the_pdf() -> None:
    assert "? (EUR" not in text_of(statement_pdf(statement(line("研究", "µ € Ł", 1))))[0]


def test_the_same_statement_gives_the_same_bytes() -> None:
    told = statement(line("a", "m", 5))
    assert statement_pdf(told) == statement_pdf(told)
