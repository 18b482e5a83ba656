"""Budgets: their periods, changes in place, and whether anything that costs is limited by them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.api.money.budgets import budget_body
from aquilon.errors import ApiError
from aquilon.money.administration import budgets as administration
from aquilon.money.budgets import BUDGET_PERIODS, BudgetPeriod, period_end, period_start
from aquilon.money.prices import Price
from aquilon.money.store import usage
from aquilon.money.store.prices import set_price
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.people import first_run as operator
from aquilon.people.identity import Principal
from aquilon.storage import Database

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


async def test_a_budget_is_changed_in_place_and_keeps_what_was_spent(database: Database) -> None:
    await operator.prepare_first_run(database)
    actor = await operator.operator(database)
    standing = await administration.set_budget(database, actor, period="once", amount=100)
    async with database.writing() as session:
        await usage.record(session, [spending(actor, standing.budget.id, 70)])
    changed = await administration.change_budget(database, actor, standing.budget.id, amount=500)
    assert (changed.budget.id, changed.budget.limit, changed.spent) == (standing.budget.id, 500, 70)
    assert await administration.get_budget(database, actor, standing.budget.id) == changed
    assert await administration.list_budgets(database, actor) == [changed]
    assert await administration.set_budget(database, actor, period="once", amount=500) == changed
    for unknown in ("budget_never", ""):
        with pytest.raises(ApiError, match="no budget"):
            await administration.change_budget(database, actor, unknown, amount=1)
        with pytest.raises(ApiError, match="no budget"):
            await administration.get_budget(database, actor, unknown)
    with pytest.raises(ValueError, match="less than 0"):
        await administration.change_budget(database, actor, standing.budget.id, amount=-1)


async def test_only_the_operator_changes_an_organization_s_budget(database: Database) -> None:
    await operator.prepare_first_run(database)
    actor = await operator.operator(database)
    standing = await administration.set_budget(database, actor, period="month", amount=100)
    for somebody in (replace(actor, operates=False), replace(actor, role="developer")):
        with pytest.raises(ApiError) as refused:
            await administration.change_budget(database, somebody, standing.budget.id, amount=500)
        assert refused.value.status == 403


async def test_a_budget_s_standing_names_the_models_that_cost_something_now(database: Database) -> None:
    await operator.prepare_first_run(database)
    actor, now = await operator.operator(database), int(time.time())
    standing = await administration.set_budget(database, actor, period="month", amount=100)
    assert standing.priced_models == frozenset()
    assert not budget_body(standing, ["paid", "free"]).effective
    async with database.writing() as session:
        await set_price(session, "paid", Price(now, input=1, cached_input=1, output=1))
        await set_price(session, "free", Price(now, input=0, cached_input=0, output=0))
        await set_price(session, "later", Price(now + 1000, input=1, cached_input=1, output=1))
    standing = await administration.get_budget(database, actor, standing.budget.id)
    assert standing.priced_models == {"paid"}
    body = budget_body(standing, ["paid", "free", "later"])
    assert (body.effective, body.unpriced_models) == (True, ["free", "later"])
    assert not budget_body(standing, ["free"]).effective
    assert not budget_body(standing, []).effective


def spending(actor: Principal, budget_id: str, cost: int) -> UsageEvent:
    return UsageEvent(
        request_id="r1",
        organization_id=actor.organization_id,
        workspace_id=actor.workspace_id,
        user_id=actor.user_id,
        api_key_id=None,
        model="paid",
        ended_at=int(time.time()),
        usage=Usage(1, 1),
        outcome="completed",
        latency_ms=1,
        first_token_ms=1,
        cost=cost,
        price_id=None,
        budget_lines=((budget_id, 0),),
    )
