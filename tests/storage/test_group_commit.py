"""Simultaneous small writes share commits; each is durable when it returns, and each is rolled back alone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from tests.support.homes import place_database

from aquilon.settings import Settings
from aquilon.storage import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """SQLite: PostgreSQL's server has its own group commit."""
    place_database(tmp_path)
    opened = await Database.open(Settings(home=tmp_path))
    async with opened.writing() as session:
        await session.execute(text("CREATE TABLE numbers (number INTEGER PRIMARY KEY)"))
    yield opened
    await opened.close()


def stored(database: Database) -> set[int]:
    """The numbers that another process sees."""
    with sqlite3.connect(database.name) as raw:
        return {number for (number,) in raw.execute("SELECT number FROM numbers")}


async def write(database: Database, number: int) -> None:
    async with database.writing() as session:
        await session.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})


async def test_simultaneous_writes_share_commits_and_each_returns_when_it_is_durable(database: Database) -> None:
    commits = 0

    @event.listens_for(database._engine.sync_engine, "commit")
    def count(_: object) -> None:
        nonlocal commits
        commits += 1

    async def write_and_look(number: int) -> bool:
        await write(database, number)
        return number in stored(database)

    assert all(await asyncio.gather(*(write_and_look(number) for number in range(100))))
    assert commits < 80


async def test_a_write_that_fails_is_undone_alone(database: Database) -> None:
    async def fail(number: int) -> None:
        async with database.writing() as session:
            await session.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})
            raise ZeroDivisionError

    writes = [fail(number) if number % 3 == 0 else write(database, number) for number in range(30)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [isinstance(outcome, ZeroDivisionError) for outcome in outcomes] == [number % 3 == 0 for number in range(30)]
    assert stored(database) == {number for number in range(30) if number % 3}


async def test_cancelled_waiting_writes_do_not_block_the_commit(database: Database) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.writing() as session:
            await session.execute(text("INSERT INTO numbers VALUES (1)"))
            inside.set()
            await go_on.wait()

    writing = asyncio.create_task(first())
    await inside.wait()
    waiting = [asyncio.create_task(write(database, number)) for number in (2, 3)]
    await asyncio.sleep(0)
    go_on.set()
    for task in waiting:
        task.cancel()
    async with asyncio.timeout(5):
        await writing
        await asyncio.gather(*waiting, return_exceptions=True)
    assert 1 in stored(database)
    async with asyncio.timeout(5):
        await write(database, 4)
    assert 4 in stored(database)


async def test_a_rollback_by_sqlite_fails_every_write_of_the_group(database: Database) -> None:
    """A full disk may end the whole transaction, with the writes of others in it."""
    first_inside = asyncio.Event()

    async def first() -> None:
        async with database.writing() as session:
            await session.execute(text("INSERT INTO numbers VALUES (1)"))
            first_inside.set()

    async def second() -> None:
        await first_inside.wait()
        async with database.writing() as session:
            await session.execute(text("ROLLBACK"))
            await session.execute(text("INSERT INTO nowhere VALUES (1)"))

    waiting = asyncio.create_task(second())
    outcomes = await asyncio.gather(first(), waiting, return_exceptions=True)
    assert isinstance(outcomes[1], DBAPIError)
    assert (outcomes[0] is None) == (1 in stored(database))
    await write(database, 5)
    assert 5 in stored(database)


async def test_at_once_is_durable_rolled_back_by_an_error_and_runs_among_other_writes(database: Database) -> None:
    def failing(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO numbers VALUES (99)")
        raise ZeroDivisionError

    async def shared(number: int) -> None:
        async with database.writing() as session:
            await session.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})

    async def at_once(number: int) -> None:
        await database.at_once(lambda connection: connection.execute("INSERT INTO numbers VALUES (?)", (number,)))
        assert number in stored(database)

    with pytest.raises(ZeroDivisionError):
        await database.at_once(failing)
    await asyncio.gather(*(shared(number) if number % 2 else at_once(number) for number in range(40)))
    assert stored(database) == set(range(40))


async def test_a_write_cancelled_in_a_statement_fails_the_rest_of_its_group(database: Database) -> None:
    """The connection is lost with it; the other writes of the group get an error and can be repeated."""
    inside = asyncio.Event()

    async def slow() -> None:
        async with database.writing() as session:
            inside.set()
            numbers = "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000)"
            await session.execute(text(f"INSERT INTO numbers {numbers} SELECT i FROM n"))

    first, cut_short = asyncio.create_task(write(database, 1)), asyncio.create_task(slow())
    await inside.wait()
    await asyncio.sleep(0)
    cut_short.cancel()
    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(first, cut_short, return_exceptions=True)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert outcomes[0] is None or isinstance(outcomes[0], DBAPIError)
    assert (outcomes[0] is None) == (1 in stored(database))
    async with asyncio.timeout(30):
        await write(database, 2)
    assert {number for number in stored(database) if number != 1} == {2}
