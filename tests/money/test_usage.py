"""Recorded usage: each request once, its totals, and the costs that its budgets paid."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.homes import place_database

from aquilon.money.prices import Period, Price, PriceList
from aquilon.money.store import budgets, prices, usage
from aquilon.money.tables import StoredUsageEvent
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.people.scope import Scope
from aquilon.people.tables import Organization
from aquilon.settings import Settings
from aquilon.storage import Database

HOUR, DAY = 3600, 86_400
NOON = 20_000 * DAY + 12 * HOUR
MINE = Scope("org_1")


def event(request_id: str, *, ended_at: int = NOON, **changed: object) -> UsageEvent:
    default = UsageEvent(
        request_id=request_id,
        organization_id="org_1",
        workspace_id="workspace_1",
        user_id="user_1",
        api_key_id="key_1",
        model="m",
        ended_at=ended_at,
        usage=Usage(10, 5, 4),
        outcome="completed",
        latency_ms=100,
        first_token_ms=10,
        cost=35,
        price_id=None,
        budget_lines=(("budget_1", 0),),
    )
    return replace(default, **changed)  # type: ignore[arg-type]


async def record(database: Database, *events: UsageEvent) -> None:
    async with database.writing() as session:
        await usage.record(session, events)


async def test_recording_at_once_equals_recording_in_a_session(tmp_path: Path) -> None:
    """`usage.record_at_once` against `usage.record`, which is slower."""
    events = [event(f"r{number % 7}", ended_at=NOON + number * 1000, cost=number) for number in range(12)]
    results = []
    for at_once in (False, True):
        place_database(tmp_path / str(at_once))
        database = await Database.open(Settings(home=tmp_path / str(at_once)))
        for batch in (events[:5], events[3:]):
            if at_once:
                await database.at_once(lambda connection, batch=batch: usage.record_at_once(connection, batch))
            else:
                await record(database, *batch)
        results.append(
            (await totals(database, by=("model",)), await totals(database, span="day"), await spent(database))
        )
        await database.close()
    assert results[0] == results[1]


async def totals(
    database: Database, scope: Scope = MINE, *, span: usage.Span = "hour", by: tuple[usage.Facet, ...] = ()
) -> list[usage.UsageRow]:
    async with database.reading() as session:
        return await usage.totals(session, scope, span=span, since=0, until=NOON * 2, by=by)


async def spent(database: Database) -> int:
    async with database.reading() as session:
        return (await budgets.spending(session, MINE, [("budget_1", 0)]))["budget_1", 0]


async def test_an_event_counts_once_however_often_it_is_written(database: Database) -> None:
    await record(database, event("r1"), event("r1"), event("r2"))
    await record(database, event("r2"), event("r3"))
    [hour] = await totals(database)
    assert (hour.requests, hour.prompt_tokens, hour.cached_tokens, hour.completion_tokens) == (3, 30, 12, 15)
    assert hour.cost == 3 * 35
    assert await spent(database) == 3 * 35


async def test_lines_of_batch_jobs_are_marked_and_counted_apart(database: Database) -> None:
    await record(database, event("r1"), event("r2", batch=True))
    [hour] = await totals(database)
    assert (hour.requests, hour.batch_requests) == (2, 1)
    async with database.reading() as session:
        marks = {row.request_id: row.batch for row in await session.scalars(MINE.select(StoredUsageEvent))}
    assert marks == {"r1": False, "r2": True}


async def test_a_late_event_is_added_to_its_own_hour_and_day(database: Database) -> None:
    await record(database, event("new", ended_at=NOON + 5))
    await record(database, event("late", ended_at=NOON - DAY - 1), event("edge", ended_at=NOON - 1))
    assert [(row.starts_at, row.requests) for row in await totals(database)] == [
        (NOON - DAY - HOUR, 1),
        (NOON - HOUR, 1),
        (NOON, 1),
    ]
    assert [(row.starts_at, row.requests) for row in await totals(database, span="day")] == [
        (NOON - DAY - 12 * HOUR, 1),
        (NOON - 12 * HOUR, 2),
    ]


async def test_concurrent_writers_lose_nothing(database: Database) -> None:
    await asyncio.gather(
        *(record(database, *(event(f"r{writer}-{number}") for number in range(5))) for writer in range(8))
    )
    [day] = await totals(database, span="day")
    assert day.requests == 40
    assert await spent(database) == 40 * 35


async def test_usage_is_grouped_by_the_requested_facets(database: Database) -> None:
    await record(
        database,
        event("r1"),
        event("r2", model="other"),
        event("r3", api_key_id=None),
        event("r4", user_id="user_2", api_key_id="key_2"),
    )
    assert [(row.model, row.requests) for row in await totals(database, by=("model",))] == [("m", 3), ("other", 1)]
    by_key = {row.key_id: row.requests for row in await totals(database, by=("key",))}
    assert by_key == {"": 1, "key_1": 2, "key_2": 1}
    [whole] = await totals(database)
    assert (whole.model, whole.key_id, whole.member, whole.workspace, whole.requests) == (None, None, None, None, 4)


async def test_another_organization_and_another_user_do_not_see_an_event(database: Database) -> None:
    await record(database, event("r1"), event("r2", user_id="user_2"))
    assert await totals(database, Scope("org_2")) == []
    [own] = await totals(database, Scope("org_1", "user_2"))
    assert own.requests == 1


async def test_old_events_are_deleted_in_small_steps_and_their_totals_stay(database: Database) -> None:
    await record(database, *(event(f"r{number}", ended_at=NOON + number) for number in range(7)))
    steps = []
    while True:
        async with database.writing() as session:
            steps.append(await usage.prune(session, before=NOON + 5, most=2))
        if not steps[-1]:
            break
    assert steps == [2, 2, 1, 0]
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(StoredUsageEvent)) == 2
    [hour] = await totals(database)
    assert hour.requests == 7


class TestPrices:
    async def test_a_price_holds_until_the_next_one(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("time.time", lambda: NOON + 0.5)
        async with database.writing() as session:
            first = await prices.set_price(session, "m", Price(NOON, input=10, cached_input=5, output=20))
            await prices.set_price(session, "m", Price(NOON + DAY, input=100, cached_input=50, output=200))
            second = await prices.set_price(session, "m", Price(NOON + DAY, input=12, cached_input=6, output=24))
        async with database.reading() as session:
            history = (await prices.price_lists(session))["m"]
        assert history.prices == (first, second)
        assert history.at(NOON + DAY - 1) == first

    async def test_a_price_that_holds_stays_on_record_when_the_next_one_comes_in_the_same_second(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("time.time", lambda: NOON + 0.5)
        async with database.writing() as session:
            first = await prices.set_price(session, "m", Price(NOON, input=1, cached_input=1, output=1))
            await prices.set_price(session, "m", Price(NOON, input=2, cached_input=2, output=2))
            last = await prices.set_price(session, "m", Price(NOON - 30, input=3, cached_input=3, output=3))
        async with database.reading() as session:
            assert (await prices.price_lists(session))["m"].prices == (first, last)
        assert (first.starts_at, last.starts_at) == (NOON, NOON + 1)

    async def test_the_past_keeps_its_prices(self, database: Database) -> None:
        with pytest.raises(ValueError, match="can't start on 1970-01-01 00:00:01, in the past"):
            async with database.writing() as session:
                await prices.set_price(session, "m", Price(1, input=10, cached_input=5, output=20))

    async def test_a_whole_list_replaces_all_future_prices(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("time.time", lambda: NOON + 0.5)
        async with database.writing() as session:
            first = await prices.set_price(session, "m", Price(NOON, input=10, cached_input=5, output=20))
            await prices.set_price(session, "m", Price(NOON + 9 * DAY, input=1, cached_input=1, output=1))
            planned = await prices.set_price_list(
                session,
                PriceList.of_periods(
                    "m",
                    [
                        Period(Price(NOON + DAY, input=2, cached_input=2, output=2), NOON + 2 * DAY),
                        Period(Price(NOON + 2 * DAY, input=3, cached_input=3, output=3)),
                    ],
                ),
            )
        async with database.reading() as session:
            assert (await prices.price_lists(session))["m"].prices == (first, *planned.prices)


class TestBudgets:
    async def test_a_new_budget_of_a_period_counts_what_was_spent_before_and_credit_does_not(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("time.time", lambda: NOON + 0.5)
        await record(database, event("yesterday", ended_at=NOON - DAY), event("today"))
        async with database.writing() as session:
            session.add(Organization(id="org_1", name="one", created_at=0))
            await session.flush()
            daily = await budgets.set_budget(
                session, MINE, subject_kind="key", subject_id="key_1", period="day", amount=100
            )
            credit = await budgets.set_budget(
                session, MINE, subject_kind="key", subject_id="key_1", period="once", amount=100
            )
            lines = [(daily.id, NOON - 12 * HOUR), (credit.id, 0)]
            assert list((await budgets.spending(session, MINE, lines)).values()) == [35, 0]
            assert (
                await budgets.set_budget(
                    session, MINE, subject_kind="key", subject_id="key_1", period="day", amount=200
                )
            ).id == daily.id
            assert {budget.limit for budget in await budgets.budgets(session, MINE)} == {200, 100}
            assert await budgets.budgets(session, Scope("org_2")) == []
            assert not await budgets.remove_budget(session, Scope("org_2"), daily.id)
            assert await budgets.remove_budget(session, MINE, daily.id)
