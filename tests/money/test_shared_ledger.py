"""Several API processes over one PostgreSQL: what one holds another can't spend, and what a dead one held is freed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func
from tests.money.test_ledger import NOW, ORGANIZATION, budget, reserve, slots

from aquilon.errors import ApiError
from aquilon.money.budgets import period_start
from aquilon.money.ledger import Ledger, Reservation
from aquilon.money.limits_tables import Hold
from aquilon.money.shared_stock import MISSED_BEATS, SharedStock
from aquilon.money.store.budgets import spending
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.scope import Scope
from aquilon.settings import Settings
from aquilon.storage import Database

pytestmark = pytest.mark.parametrize("settings", ["postgresql"], indirect=True)

LINE = ("b", period_start("month", NOW))


class Process:
    """What an API process has for it."""

    def __init__(self, database: Database) -> None:
        self.stock = SharedStock(database)
        self.ledger = Ledger(self.stock)
        self.writer = UsageWriter(database, self.stock)

    async def spend(self, name: str, reservation: Reservation, cost: int) -> None:
        self.ledger.settle(reservation, cost)
        await self.writer.commit(replace(EVENT, request_id=name, cost=cost, budget_lines=tuple(reservation.lines)))


EVENT = UsageEvent(
    request_id="",
    organization_id=ORGANIZATION,
    workspace_id="w",
    user_id="u",
    api_key_id="key_1",
    model="m",
    ended_at=NOW,
    usage=Usage(1, 1),
    outcome="completed",
    latency_ms=1,
    first_token_ms=1,
    cost=0,
    price_id=None,
)


@pytest.fixture
async def other_database(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Database]:
    """The same one, for a process on another machine."""
    opened = await Database.open(Settings(home=tmp_path / "other", database_url=settings.database_url))
    yield opened
    await opened.close()


@pytest.fixture
def one(database: Database) -> Process:
    return Process(database)


@pytest.fixture
def other(other_database: Database) -> Process:
    return Process(other_database)


async def held(database: Database) -> int:
    async with database.reading() as session:
        query = Scope(ORGANIZATION).select(Hold).with_only_columns(func.coalesce(func.sum(Hold.amount), 0))
        return int(await session.scalar(query) or 0)


async def spent(database: Database) -> int:
    async with database.reading() as session:
        return (await spending(session, Scope(ORGANIZATION), [LINE]))[LINE]


async def test_what_one_process_holds_another_can_t_spend(one: Process, other: Process) -> None:
    await reserve(one.ledger, budget(100), prompt=30)
    with pytest.raises(ApiError, match=r"0\.00004 remain"):
        await reserve(other.ledger, budget(100), prompt=21)
    assert await reserve(other.ledger, budget(100), prompt=20)


async def test_slots_are_everybody_s_as_soon_as_they_are_free(one: Process, other: Process) -> None:
    first = await reserve(one.ledger, limits=[slots(2)])
    second = await reserve(other.ledger, limits=[slots(2)])
    for process in (one, other):
        with pytest.raises(ApiError, match="2 requests at once; 0 remain"):
            await reserve(process.ledger, limits=[slots(2)])
    one.ledger.settle(first, 0)
    other.ledger.settle(second, 0)
    assert one.stock._returning is not None
    await one.stock._returning
    await asyncio.sleep(0.25)  # for so long a refusal is remembered
    assert await reserve(other.ledger, limits=[slots(2)])
    assert await reserve(other.ledger, limits=[slots(2)])


async def test_most_requests_ask_nobody(one: Process, database: Database) -> None:
    claims = 0
    claim = one.stock._claim

    async def counted(*arguments: object) -> None:
        nonlocal claims
        claims += 1
        await claim(*arguments)  # type: ignore[arg-type]

    one.stock._claim = counted  # type: ignore[method-assign]
    for number in range(60):
        await one.spend(f"r{number}", await reserve(one.ledger, budget(10**9), prompt=100), 200)
    assert claims <= 6
    assert await spent(database) == 60 * 200


async def test_a_limit_that_is_lowered_counts_for_what_was_claimed_ahead(one: Process, database: Database) -> None:
    first = await reserve(one.ledger, budget(10**6), prompt=10)
    assert await held(database) > 20
    with pytest.raises(ApiError):
        await reserve(one.ledger, budget(30), prompt=10)
    assert await held(database) <= 30
    await one.spend("r1", first, 20)
    assert await reserve(one.ledger, budget(40), prompt=10)


async def test_what_nobody_uses_is_given_back_by_the_second_beat(
    one: Process, other: Process, database: Database
) -> None:
    await one.stock.start()
    one.ledger.settle(await reserve(one.ledger, budget(10**6), prompt=10), 0)
    for _ in range(2):
        await one.stock.beat()
    assert await held(database) == 0
    assert await reserve(other.ledger, budget(20), prompt=10)
    await one.stock.stop()


async def test_what_a_killed_process_held_is_free_when_it_has_missed_its_beats(
    one: Process, other: Process, database: Database
) -> None:
    await reserve(one.ledger, budget(100), prompt=50)
    await other.stock.start()
    for _ in range(MISSED_BEATS):
        await other.stock.beat()
        with pytest.raises(ApiError):
            await reserve(other.ledger, budget(100), prompt=1)
    await other.stock.beat()
    await asyncio.sleep(0.25)  # for so long a refusal is remembered
    assert await reserve(other.ledger, budget(100), prompt=50)
    await other.stock.stop()
    assert await held(database) == 0


async def test_a_process_that_stood_still_and_goes_on_is_counted_again_with_what_runs(
    one: Process, other: Process, database: Database
) -> None:
    running = await reserve(one.ledger, budget(100), prompt=20)
    await other.stock.start()
    for _ in range(MISSED_BEATS + 1):
        await other.stock.beat()
    assert await held(database) == 0
    await one.stock.beat()
    assert await held(database) == 40
    with pytest.raises(ApiError):
        await reserve(other.ledger, budget(100), prompt=31)
    await one.spend("r1", running, 40)
    assert await spent(database) == 40
    assert await reserve(other.ledger, budget(100), prompt=30)


async def test_an_event_that_is_written_twice_is_spent_once(one: Process, other: Process, database: Database) -> None:
    for process in (one, other):
        await process.spend("the same", await reserve(process.ledger, budget(100), prompt=10), 20)
    assert await spent(database) == 20
    for process in (one, other):
        for _ in range(2):
            await process.stock.beat()
    assert await held(database) == 0
    assert await reserve(one.ledger, budget(100), prompt=40)


async def test_a_crowd_at_two_processes_never_overspends_and_holds_nothing_in_the_end(
    one: Process, other: Process, database: Database
) -> None:
    """200 clients of both, each with a request that costs less than it reserved."""
    limit = budget(20_000)
    over, wholes = asyncio.Event(), 0

    async def client(number: int) -> None:
        nonlocal wholes
        chance, process = random.Random(number), (one, other)[number % 2]
        for turn in range(3):
            try:
                running = await reserve(
                    process.ledger, limit, prompt=chance.randrange(1, 40), completion=100, limits=[slots(150)]
                )
            except ApiError:
                continue
            extended = await process.ledger.extend(running, 20)
            cost = chance.randrange(0, running.amount + 1)
            assert extended <= 20
            await process.spend(f"r{number}.{turn}", running, cost)
            wholes += 1

    async def look() -> None:
        while not over.is_set():
            async with database.reading() as session:
                holds = Scope(ORGANIZATION).select(Hold).where(Hold.line_id == "b")
                total = await session.scalar(holds.with_only_columns(func.coalesce(func.sum(Hold.amount), 0)))
            assert int(total or 0) <= limit.limit
            assert await spent(database) <= limit.limit

    looking = asyncio.create_task(look())
    await asyncio.gather(*(client(number) for number in range(200)))
    over.set()
    await looking
    assert wholes > 100
    assert one.ledger.reserved == other.ledger.reserved == {}
    for process in (one, other):
        for _ in range(2):
            await process.stock.beat()
    assert await held(database) == 0
    assert limit.limit * 0.5 < await spent(database) <= limit.limit
