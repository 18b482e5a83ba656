"""Several API processes over one PostgreSQL: none spends what another holds, and a dead one's holds are freed."""

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
from aquilon.money.shared_stock import MISSED_BEATS, SharedStock
from aquilon.money.store.budgets import spending
from aquilon.money.tables import Hold
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.scope import Scope
from aquilon.settings import Settings
from aquilon.storage import Database

pytestmark = pytest.mark.parametrize("settings", ["postgresql"], indirect=True)

LINE = ("b", period_start("month", NOW))


class Process:
    """An API process's ledger and usage writer."""

    def __init__(self, database: Database) -> None:
        self.stock = SharedStock(database)
        self.ledger = Ledger(self.stock)
        self.writer = UsageWriter(database, self.stock)

    async def spend(self, name: str, reservation: Reservation, cost: int) -> None:
        self.ledger.settle(reservation, cost)
        event = replace(EVENT, request_id=name, cost=cost, budget_lines=tuple(reservation.lines))
        await self.writer.commit(event, lambda: replace(event, cost=0))


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
    """The same database, opened by a process on another machine."""
    opened = await Database.open(Settings(home=tmp_path / "other", database_url=settings.database_url))
    yield opened
    await opened.close()


@pytest.fixture
def process_a(database: Database) -> Process:
    return Process(database)


@pytest.fixture
def process_b(other_database: Database) -> Process:
    return Process(other_database)


async def held(database: Database) -> int:
    async with database.reading() as session:
        query = Scope(ORGANIZATION).select(Hold).with_only_columns(func.coalesce(func.sum(Hold.amount), 0))
        return int(await session.scalar(query) or 0)


async def spent(database: Database) -> int:
    async with database.reading() as session:
        return (await spending(session, Scope(ORGANIZATION), [LINE]))[LINE]


async def test_one_process_can_t_spend_what_another_holds(process_a: Process, process_b: Process) -> None:
    await reserve(process_a.ledger, budget(100), prompt=30)
    with pytest.raises(ApiError, match=r"0\.00004 remain"):
        await reserve(process_b.ledger, budget(100), prompt=21)
    assert await reserve(process_b.ledger, budget(100), prompt=20)


async def test_any_process_can_take_a_slot_that_became_free(process_a: Process, process_b: Process) -> None:
    first = await reserve(process_a.ledger, limits=[slots(2)])
    second = await reserve(process_b.ledger, limits=[slots(2)])
    for process in (process_a, process_b):
        with pytest.raises(ApiError, match="2 requests at once; 0 remain"):
            await reserve(process.ledger, limits=[slots(2)])
    process_a.ledger.settle(first, 0)
    process_b.ledger.settle(second, 0)
    assert process_a.stock._returning is not None
    await process_a.stock._returning
    await asyncio.sleep(0.25)  # a refusal is remembered this long
    assert await reserve(process_b.ledger, limits=[slots(2)])
    assert await reserve(process_b.ledger, limits=[slots(2)])


async def test_most_requests_need_no_claim(process_a: Process, database: Database) -> None:
    claims = 0
    claim = process_a.stock._claim

    async def counted(*arguments: object) -> None:
        nonlocal claims
        claims += 1
        await claim(*arguments)  # type: ignore[arg-type]

    process_a.stock._claim = counted  # type: ignore[method-assign]
    for number in range(60):
        await process_a.spend(f"r{number}", await reserve(process_a.ledger, budget(10**9), prompt=100), 200)
    assert claims <= 6
    assert await spent(database) == 60 * 200


async def test_a_lowered_limit_counts_for_earlier_claims(process_a: Process, database: Database) -> None:
    first = await reserve(process_a.ledger, budget(10**6), prompt=10)
    assert await held(database) > 20
    with pytest.raises(ApiError):
        await reserve(process_a.ledger, budget(30), prompt=10)
    assert await held(database) <= 30
    await process_a.spend("r1", first, 20)
    assert await reserve(process_a.ledger, budget(40), prompt=10)


async def test_an_unused_hold_is_returned_by_the_second_beat(
    process_a: Process, process_b: Process, database: Database
) -> None:
    await process_a.stock.start()
    process_a.ledger.settle(await reserve(process_a.ledger, budget(10**6), prompt=10), 0)
    for _ in range(2):
        await process_a.stock.beat()
    assert await held(database) == 0
    assert await reserve(process_b.ledger, budget(20), prompt=10)
    await process_a.stock.stop()


async def test_a_killed_process_s_holds_are_free_after_its_missed_beats(
    process_a: Process, process_b: Process, database: Database
) -> None:
    await reserve(process_a.ledger, budget(100), prompt=50)
    await process_b.stock.start()
    for _ in range(MISSED_BEATS):
        await process_b.stock.beat()
        with pytest.raises(ApiError):
            await reserve(process_b.ledger, budget(100), prompt=1)
    await process_b.stock.beat()
    await asyncio.sleep(0.25)  # a refusal is remembered this long
    assert await reserve(process_b.ledger, budget(100), prompt=50)
    await process_b.stock.stop()
    assert await held(database) == 0


async def test_a_process_that_was_removed_as_dead_joins_again_with_its_requests_holds(
    process_a: Process, process_b: Process, database: Database
) -> None:
    running = await reserve(process_a.ledger, budget(100), prompt=20)
    await process_b.stock.start()
    for _ in range(MISSED_BEATS + 1):
        await process_b.stock.beat()
    assert await held(database) == 0
    await process_a.stock.beat()
    assert await held(database) == 40
    with pytest.raises(ApiError):
        await reserve(process_b.ledger, budget(100), prompt=31)
    await process_a.spend("r1", running, 40)
    assert await spent(database) == 40
    assert await reserve(process_b.ledger, budget(100), prompt=30)


async def test_an_event_that_is_written_twice_is_spent_once(
    process_a: Process, process_b: Process, database: Database
) -> None:
    for process in (process_a, process_b):
        await process.spend("the same", await reserve(process.ledger, budget(100), prompt=10), 20)
    assert await spent(database) == 20
    for process in (process_a, process_b):
        for _ in range(2):
            await process.stock.beat()
    assert await held(database) == 0
    assert await reserve(process_a.ledger, budget(100), prompt=40)


async def test_concurrent_clients_of_two_processes_never_overspend_and_hold_nothing_in_the_end(
    process_a: Process, process_b: Process, database: Database
) -> None:
    """200 clients of both, each with a request that costs less than it reserved."""
    limit = budget(20_000)
    over, wholes = asyncio.Event(), 0

    async def client(number: int) -> None:
        nonlocal wholes
        chance, process = random.Random(number), (process_a, process_b)[number % 2]
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
    assert process_a.ledger.reserved == process_b.ledger.reserved == {}
    for process in (process_a, process_b):
        for _ in range(2):
            await process.stock.beat()
    assert await held(database) == 0
    assert limit.limit * 0.5 < await spent(database) <= limit.limit
