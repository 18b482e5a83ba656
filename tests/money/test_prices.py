"""Costs of tokens: they are exact and dated, and a price that can't be charged exactly is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.money.prices import Period, Price, PriceList, cents
from aquilon.money.usage_event import Usage

counts = st.integers(0, 10**7)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    prompt = draw(counts)
    return Usage(prompt, draw(counts), draw(st.integers(0, prompt)))


@st.composite
def prices(draw: st.DrawFn) -> Price:
    discount = draw(st.integers(0, 100))
    whole = 100 if discount % 2 else 50 if discount % 25 else 4
    input_, output = draw(st.integers(0, 10**5)) * whole, draw(st.integers(0, 10**5)) * whole
    return Price(
        0,
        input=input_,
        cached_input=draw(st.integers(0, input_ // whole)) * whole,
        output=output,
        batch_discount=discount,
    )


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def price(starts: str, input_: int = 10) -> Price:
    return Price(moment(starts), input=input_, cached_input=input_, output=input_)


@given(prices(), usages(), usages(), st.booleans())
def test_two_requests_cost_what_their_tokens_cost_together(price: Price, one: Usage, other: Usage, batch: bool) -> None:
    both = Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.cached_tokens + other.cached_tokens,
    )
    price_in_job = price.in_batch() if batch else price
    assert price_in_job.cost(one) + price_in_job.cost(other) == price_in_job.cost(both)


@given(prices(), usages(), usages(), st.booleans())
def test_more_tokens_never_cost_less_and_no_cost_is_negative(
    price: Price, usage: Usage, more: Usage, batch: bool
) -> None:
    grown = Usage(
        usage.prompt_tokens + more.prompt_tokens,
        usage.completion_tokens + more.completion_tokens,
        usage.cached_tokens + more.cached_tokens,
    )
    price_in_job = price.in_batch() if batch else price
    cost = price_in_job.cost(usage)
    assert isinstance(cost, int)
    assert 0 <= cost <= price_in_job.cost(grown)
    assert cost <= price.cost(usage)


@given(prices(), usages())
def test_a_cached_prompt_never_costs_more_than_a_computed_one(price: Price, usage: Usage) -> None:
    assert price.cost(usage) <= price.cost(Usage(usage.prompt_tokens, usage.completion_tokens))


def test_a_million_tokens_cost_the_price_to_the_cent() -> None:
    price = Price(0, input=15, cached_input=5, output=60, batch_discount=20)
    assert price.cost(Usage(10**6, 0)) == 15 * 10**6
    assert price.cost(Usage(10**6, 10**6, 10**6)) == (5 + 60) * 10**6
    assert price.in_batch().cost(Usage(10**6, 10**6)) == (12 + 48) * 10**6
    assert price.cost(Usage(1, 1)) == 75


def test_a_price_change_counts_from_its_first_second() -> None:
    history = PriceList("m", [price("2026-11-15", 20), price("2026-11-01", 10)])
    usage = Usage(1000, 0)
    costs = {}
    for at in ("2026-11-01", "2026-11-14T23:59:59", "2026-11-15", "2030-01-01"):
        present = history.at(moment(at))
        assert present is not None
        costs[at] = present.cost(usage)
    assert costs == {"2026-11-01": 10_000, "2026-11-14T23:59:59": 10_000, "2026-11-15": 20_000, "2030-01-01": 20_000}
    assert history.at(moment("2026-10-31T23:59:59")) is None


@pytest.mark.parametrize(
    ("periods", "says"),
    [
        ([], "is empty"),
        (
            [Period(price("2026-01-01"), moment("2026-02-01")), Period(price("2026-03-01"))],
            "a gap: no price from 2026-02-01 to 2026-03-01",
        ),
        ([Period(price("2026-01-01"), moment("2026-02-01"))], "a gap: no price from 2026-02-01 on"),
        (
            [Period(price("2026-01-01"), moment("2026-03-01")), Period(price("2026-02-01"))],
            "two prices from 2026-02-01 to 2026-03-01",
        ),
        ([Period(price("2026-01-01")), Period(price("2026-01-01"))], "two prices from 2026-01-01"),
    ],
)
def test_a_list_with_gaps_or_overlaps_is_refused_with_the_reason(periods: list[Period], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        PriceList.of_periods("m", periods)


def test_periods_that_meet_make_a_list() -> None:
    prices_in_order = PriceList.of_periods(
        "m", [Period(price("2026-02-01", 2)), Period(price("2026-01-01", 1), moment("2026-02-01"))]
    )
    assert [price.input for price in prices_in_order.prices] == [1, 2]


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ((-1, 0, 0, 0), "The input price is -1 cents"),
        ((10, 11, 10, 0), "A cached input token would cost more (11 cents"),
        ((10, 10, 10**10, 0), "The output price is 10000000000 cents"),
        ((10, 10, 10, 101), "The batch discount is 101 percent"),
        ((10, 10, 15, 50), "makes the output price 7.5 cents for a million tokens, which is not a whole number"),
    ],
)
def test_a_price_that_could_not_be_charged_exactly_is_refused(rates: tuple[int, int, int, int], says: str) -> None:
    input_, cached, output, discount = rates
    with pytest.raises(ValueError, match=re.escape(says)):
        Price(0, input=input_, cached_input=cached, output=output, batch_discount=discount)


def test_amounts_are_written_with_the_decimals_they_have() -> None:
    assert [cents(amount) for amount in (0, 1, 1_500_000, -20_000_000)] == ["0", "0.000001", "1.5", "-20"]
