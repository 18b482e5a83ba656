"""Budgets: periods, and a ledger that can't be overspent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.platform.domain.budgets import BUDGET_PERIODS, Budget, BudgetPeriod, period_end, period_start
from aquilon.platform.domain.errors import ApiError
from aquilon.platform.domain.ledger import RESERVED_TOKENS, Ledger, Reservation
from aquilon.platform.domain.prices import FREE, Price

PRICE = Price(0, 2, 1, 3)
NOW = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp())


def budget(limit: int, *, id_: str = "b", period: BudgetPeriod = "month") -> Budget:
    return Budget(id_, "key", "key_1", period, limit)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [("day", "2026-11-21", "2026-11-22"), ("week", "2026-11-16", "2026-11-23"), ("month", "2026-11-01", "2026-12-01")],
)
def test_periods_begin_and_end_at_midnight_utc(period: BudgetPeriod, start: str, end: str) -> None:
    def written(moment: int | None) -> str:
        assert moment is not None
        return datetime.fromtimestamp(moment, UTC).isoformat()

    assert written(period_start(period, NOW)) == f"{start}T00:00:00+00:00"
    assert written(period_end(period, NOW)) == f"{end}T00:00:00+00:00"


@given(st.sampled_from(BUDGET_PERIODS), st.integers(0, 2**32))
def test_every_moment_lies_in_its_period_and_the_next_begins_where_it_ends(period: BudgetPeriod, moment: int) -> None:
    start, end = period_start(period, moment), period_end(period, moment)
    assert start <= moment
    if end is None:
        assert (period, start) == ("once", 0)
    else:
        assert moment < end
        assert period_start(period, end) == end
        assert period_start(period, end - 1) == start


def test_a_request_reserves_its_prompt_and_a_thousand_tokens_and_gives_back_what_it_did_not_use() -> None:
    ledger, line = Ledger(), ("b", period_start("month", NOW))
    held = ledger.reserve([budget(10**6)], NOW, PRICE, prompt_tokens=100, completion_tokens=5000)
    assert held.tokens == RESERVED_TOKENS
    assert ledger.reserved == {line: 100 * 2 + RESERVED_TOKENS * 3}
    assert ledger.extend(held, 10) == 10
    ledger.settle(held, 350)
    ledger.settle(held, 350)
    assert (ledger.spent(line), ledger.reserved) == (350, {})


def test_what_fits_is_granted_and_nothing_more() -> None:
    ledger = Ledger()
    held = ledger.reserve([budget(200 + 3 * 7 + 2)], NOW, PRICE, prompt_tokens=100, completion_tokens=5000)
    assert held.tokens == 7
    assert ledger.extend(held, 1) == 0


def test_a_refusal_says_which_budget_what_remains_and_when_it_starts_anew() -> None:
    with pytest.raises(ApiError) as refused:
        Ledger().reserve(
            [budget(10**9, id_="wide"), budget(1_500_000, id_="narrow")],
            NOW,
            Price(0, 10**6, 10**6, 10**6),
            prompt_tokens=1,
            completion_tokens=1,
        )
    error = refused.value
    assert (error.status, error.type, error.code) == (429, "budget_exceeded", "budget_exceeded")
    assert error.message == (
        "The key's budget for this month is 1.5 cents; 1.5 remain, and this request needs at least 2 cents: "
        "it starts anew on 2026-12-01 (UTC)"
    )
    assert error.headers["x-aquilon-budget"] == "key:narrow"
    assert error.retry_after == period_end("month", NOW) - NOW  # type: ignore[operator]


def test_a_budget_of_zero_lets_only_what_is_free_through() -> None:
    ledger = Ledger()
    with pytest.raises(ApiError, match="prepaid credit is 0 cents"):
        ledger.reserve([budget(0, period="once")], NOW, PRICE, prompt_tokens=1, completion_tokens=0)
    assert ledger.reserved == {}
    assert ledger.reserve([budget(0)], NOW, FREE, prompt_tokens=9, completion_tokens=9000).tokens == 9000


def test_a_request_counts_in_the_period_in_which_it_began() -> None:
    ledger = Ledger()
    last_second = period_end("day", NOW)
    assert last_second is not None
    last_second -= 1
    held = ledger.reserve([budget(10**6, period="day")], last_second, PRICE, prompt_tokens=10, completion_tokens=10)
    later = ledger.reserve([budget(10**6, period="day")], last_second + 1, PRICE, prompt_tokens=1, completion_tokens=1)
    ledger.settle(held, 50)
    ledger.settle(later, 5)
    assert ledger.spent(("b", period_start("day", NOW))) == 50
    assert ledger.spent(("b", last_second + 1)) == 5


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=3),
    st.lists(
        st.tuples(st.sampled_from(["reserve", "extend", "settle"]), st.integers(0, 400), st.integers(0, 1200)),
        max_size=60,
    ),
)
def test_whatever_comes_spent_and_reserved_stay_within_every_limit(
    limits: list[int], steps: list[tuple[str, int, int]]
) -> None:
    budgets = [budget(limit, id_=f"b{number}") for number, limit in enumerate(limits)]
    ledger, running = Ledger(), list[tuple[Reservation, int]]()
    for what, first, second in steps:
        if what == "reserve":
            try:
                held = ledger.reserve(budgets, NOW, PRICE, prompt_tokens=first, completion_tokens=second)
            except ApiError:
                continue
            running.append((held, first))
        elif running and what == "extend":
            ledger.extend(running[first % len(running)][0], second)
        elif running:
            held, prompt = running.pop(first % len(running))
            ledger.settle(held, prompt * PRICE.input + min(second, held.tokens) * PRICE.output)
        for one in budgets:
            line = (one.id, period_start(one.period, NOW))
            assert 0 <= ledger.spent(line) + ledger.reserved.get(line, 0) <= one.limit
    for held, _ in running:
        ledger.settle(held, 0)
    assert ledger.reserved == {}
