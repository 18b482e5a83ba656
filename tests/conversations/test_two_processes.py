"""Runs of several API processes over one PostgreSQL: followed, cancelled and ended from another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conversations.test_runs import all_events, billed, words
from tests.support.polling import until
from tests.support.stored_runs import Process, Speaker, ended, process_on

from aquilon.conversations.run import RunEnded
from aquilon.money.shared_stock import MISSED_BEATS
from aquilon.settings import Settings
from aquilon.storage import Database

pytestmark = pytest.mark.parametrize("settings", ["postgresql"], indirect=True)


@pytest.fixture
async def other(process: Process, settings: Settings, tmp_path: Path) -> AsyncIterator[Process]:
    """Another process, on another machine."""
    elsewhere = Settings(home=tmp_path / "other", database_url=settings.database_url)
    database = await Database.open(elsewhere)
    async with process_on(elsewhere, database) as another:
        yield another
    await database.close()


async def test_a_reader_at_another_process_sees_each_event_once(
    process: Process, other: Process, speaker: Speaker
) -> None:
    run = await process.start("9 words, wait after 3")
    readings = [asyncio.create_task(all_events(other, run, first)) for first in (0, 0, 2, 7)]
    await words(run, 3)
    await until(lambda: run.noted > 0)
    speaker.go_on.set()
    for reading, first in zip(readings, (0, 0, 2, 7), strict=True):
        assert await reading == list(enumerate(run.log.events))[first:]


async def test_a_run_is_cancelled_at_another_process(
    process: Process, other: Process, speaker: Speaker, database: Database
) -> None:
    run = await process.start("9 words, wait after 3")
    await words(run, 3)
    await other.services.runs.cancel(other.key, await other.stored(run))
    assert (await other.stored(run)).status == "cancelled"
    assert await billed(database, run) == [("cancelled", 3)]


async def test_the_other_process_continues_a_run(process: Process, other: Process) -> None:
    first = await process.run("1 words")
    await other.run("2 words", await other.after(first))
    conversation = (await process.stored(first)).conversation_id
    assert await process.texts(conversation) == ["1 words", "w0 ", "2 words", "w0 w1 "]


async def test_a_process_that_stands_still_is_taken_for_dead_and_its_runs_are_ended_once(
    process: Process, other: Process, speaker: Speaker, database: Database
) -> None:
    """It goes on later, and changes nothing any more."""
    run = await process.start("9 words, wait after 3")
    await words(run, 3)
    await until(lambda: run.noted == len(run.log.events))
    stock = other.services.admission.shared
    assert stock is not None
    for _ in range(MISSED_BEATS + 1):
        await stock.beat()
    await other.services.runs.recover()
    stored = await other.stored(run)
    assert (stored.status, stored.completion_tokens) == ("failed", 3)
    speaker.go_on.set()
    await ended(run)
    assert await billed(database, run) == [("failed", 3)]
    assert (await other.stored(run)).status == "failed"
    assert await other.texts(stored.conversation_id) == ["9 words, wait after 3", "w0 w1 w2 "]
    [*_, (_, last)] = [numbered async for numbered in other.services.runs.events(stored)]
    assert isinstance(last, RunEnded)
    assert last.status == "failed"
