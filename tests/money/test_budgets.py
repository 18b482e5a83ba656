"""Budgets' periods."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.money.budgets import BUDGET_PERIODS, BudgetPeriod, period_end, period_start

NOW = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp())


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
