"""Runs over a real pipeline: what is stored, billed and seen of them, whatever happens while they are written."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import text
from tests.support.polling import until
from tests.support.stored_runs import MODEL, Process, Speaker, ended, message

from aquilon.conversations.live_run import LiveRun
from aquilon.conversations.recovery import end_abandoned
from aquilon.conversations.run import RunEnded, RunEvent
from aquilon.errors import ApiError
from aquilon.money.prices import Price
from aquilon.money.store import budgets, prices
from aquilon.people.scope import Scope
from aquilon.request import Delta
from aquilon.storage import Database
from aquilon.storage.rows import write


async def billed(database: Database, run: LiveRun) -> list[tuple[str, int]]:
    """The outcome and the completion tokens of each of a run's usage events."""
    async with database.reading() as session:
        query = text("SELECT outcome, completion_tokens FROM usage_events WHERE request_id = :run")
        return [(row[0], row[1]) for row in await session.execute(query, {"run": run.id})]


async def all_events(process: Process, run: LiveRun, first: int = 0) -> list[tuple[int, RunEvent]]:
    return [numbered async for numbered in process.services.runs.events(await process.stored(run), first)]


async def words(run: LiveRun, number: int) -> None:
    """Wait for so many words of a run."""
    await until(lambda: sum(isinstance(event, Delta) for event in run.log.events) >= number)


async def test_a_run_is_stored_with_its_answer(process: Process, database: Database) -> None:
    run = await process.run("3 words")
    stored = await process.stored(run)
    assert (stored.status, stored.completion_tokens, stored.process_id) == ("completed", 3, None)
    assert await process.texts(stored.conversation_id) == ["3 words", "w0 w1 w2 "]
    assert await billed(database, run) == [("completed", 3)]


async def test_a_run_continues_another_one(process: Process) -> None:
    first = await process.run("1 words")
    second = await process.run("2 words", await process.after(first))
    conversation = (await process.stored(first)).conversation_id
    assert await process.texts(conversation) == ["1 words", "w0 ", "2 words", "w0 w1 "]
    assert (await process.stored(second)).conversation_id == conversation


@pytest.mark.parametrize("first", [0, 2, 5, 6])
async def test_events_are_read_from_any_number_while_they_come_and_afterwards(
    process: Process, speaker: Speaker, first: int
) -> None:
    run = await process.start("4 words, wait after 2")
    await words(run, 2)
    reading = asyncio.create_task(all_events(process, run, first))
    await asyncio.sleep(0)
    speaker.go_on.set()
    seen = await reading
    await ended(run)
    assert [number for number, _ in seen] == list(range(first, len(run.log.events)))
    assert await all_events(process, run, first) == seen


async def test_a_reader_finds_the_whole_answer_when_its_events_are_no_longer_kept(
    process: Process, database: Database
) -> None:
    run = await process.run("3 words")
    async with database.writing() as session:
        await session.execute(text("DELETE FROM run_events"))
    *events, (_, last) = await all_events(process, run)
    assert "".join(event.text for _, event in events if isinstance(event, Delta)) == "w0 w1 w2 "
    assert last == run.log.ended


async def test_a_cancelled_run_keeps_and_pays_for_what_came(
    process: Process, speaker: Speaker, database: Database
) -> None:
    run = await process.start("4 words, wait after 2")
    await words(run, 2)
    await process.services.runs.cancel(process.key, await process.stored(run))
    stored = await process.stored(run)
    assert (stored.status, await billed(database, run)) == ("cancelled", [("cancelled", 2)])
    assert await process.texts(stored.conversation_id) == ["4 words, wait after 2", "w0 w1 "]


async def test_cancelling_as_the_answer_completes_ends_it_once(
    process: Process, speaker: Speaker, database: Database
) -> None:
    runs = [await process.start("3 words, wait after 2") for _ in range(12)]
    for run in runs:
        await words(run, 2)
    speaker.go_on.set()

    async def cancel(run: LiveRun, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        run.cancel()
        await ended(run)

    await asyncio.gather(*(cancel(run, 4 * number) for number, run in enumerate(runs)))
    for run in runs:
        stored = await process.stored(run)
        [(outcome, tokens)] = await billed(database, run)
        assert (stored.status, stored.completion_tokens) == (outcome, tokens)
        [*_, (_, last)] = await all_events(process, run)
        assert isinstance(last, RunEnded)
        assert last.status == outcome


async def test_a_run_whose_upstream_breaks_off_fails_with_what_came_and_is_asked_again(process: Process) -> None:
    run = await process.run("2 words, then break off")
    stored = await process.stored(run)
    assert stored.status == "failed"
    again = await process.run("1 words", await process.after(run))
    assert await process.texts(stored.conversation_id) == ["2 words, then break off", "w0 w1 ", "1 words", "w0 "]
    assert (await process.stored(again)).status == "completed"


async def test_a_run_that_could_not_be_stored_is_refused_and_costs_nothing(
    process: Process, speaker: Speaker, database: Database
) -> None:
    context = await process.after(await process.run("1 words"))
    await process.services.conversations.deletion.delete(process.key, context.place.conversation_id)
    with pytest.raises(ApiError) as refused:
        await process.start("3 words", context)
    assert (refused.value.status, refused.value.code) == (404, "conversation_not_found")
    await until(lambda: process.services.runs.unfinished == 0)
    async with database.reading() as session:
        events = await session.execute(text("SELECT outcome, cost FROM usage_events ORDER BY ended_at, outcome DESC"))
        assert sorted(tuple(row) for row in events) == [("completed", 0), ("failed", 0)]


async def test_a_run_ends_where_its_budget_does(process: Process, database: Database) -> None:
    scope, key = Scope.of_organization(process.key), process.key.api_key_id or ""
    async with database.writing() as session:
        await prices.set_price(session, MODEL, Price(int(time.time()), input=0, cached_input=0, output=1000))
        await budgets.set_budget(session, scope, subject_kind="key", subject_id=key, period="once", amount=100_000)
    run = await process.run("300 words")
    stored = await process.stored(run)
    assert (stored.status, stored.reason) == ("incomplete", "length")
    assert await billed(database, run) == [("completed", stored.completion_tokens)]
    assert 50 < stored.completion_tokens <= 100


async def test_no_more_runs_begin_than_a_process_can_hold(
    process: Process, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aquilon.conversations.runs.MOST_RUNS", 2)
    held = [await process.start("2 words, wait after 1") for _ in range(2)]
    with pytest.raises(ApiError) as refused:
        await process.start("1 words")
    assert (refused.value.status, refused.value.type) == (503, "overloaded")
    speaker.go_on.set()
    for run in held:
        await ended(run)
    await process.run("1 words")


async def test_an_abandoned_run_whose_question_was_deleted_gets_a_branch_for_what_it_had(
    process: Process, speaker: Speaker
) -> None:
    before = await process.after(await process.run("1 words"))
    await process.run("1 words", before)
    run = await process.start("3 words, wait after 2", before)
    await words(run, 2)
    await until(lambda: run.noted == len(run.log.events))
    [(question, _)] = run.request.input
    stored = await process.stored(run)
    await process.services.conversations.deletion.delete_items(process.key, stored.conversation_id, [question])
    await end_abandoned(process.services.database, await process.stored(run))
    failed = await process.stored(run)
    assert (failed.status, failed.completion_tokens) == ("failed", 2)
    assert await process.texts(stored.conversation_id, failed.leaf_id) == ["1 words", "w0 ", "w0 w1 "]
    again = await process.run("1 words", await process.after(run))
    assert (await process.stored(again)).status == "completed"


async def test_events_whose_commit_was_in_doubt_are_stored_once(
    process: Process, speaker: Speaker, database: Database
) -> None:
    run = await process.start("4 words, wait after 2")
    await words(run, 2)
    noted = run.noted
    await write(database, run.note())  # as when the connection breaks in the middle of the commit
    run.noted = noted
    speaker.go_on.set()
    await ended(run)
    assert (await process.stored(run)).status == "completed"
    assert [event for _, event in await all_events(process, run)] == run.log.events


@pytest.mark.parametrize("is_noted", [False, True])
async def test_a_deleted_conversation_ends_its_runs_and_no_others(
    process: Process, speaker: Speaker, database: Database, is_noted: bool
) -> None:
    deleted, other = [await process.start("4 words, wait after 2") for _ in range(2)]
    for run in (deleted, other):
        await words(run, 2)
    if is_noted:
        await until(lambda: deleted.noted == len(deleted.log.events))
    stored = await process.stored(deleted)
    await process.services.conversations.deletion.delete(process.key, stored.conversation_id)
    await ended(deleted)
    speaker.go_on.set()
    await ended(other)
    assert await billed(database, deleted) == [("cancelled", 2)]
    assert (await process.stored(other)).status == "completed"
    *_, (_, last) = [numbered async for numbered in process.services.runs.events(stored)]
    assert isinstance(last, RunEnded)
    assert last.status == "cancelled"


async def test_a_run_whose_question_is_deleted_meanwhile_keeps_its_answer_in_its_place(
    process: Process, speaker: Speaker
) -> None:
    before = await process.after(await process.run("1 words"))
    run = await process.start("2 words, wait after 1", before)
    stored = await process.stored(run)
    [(question, _)] = run.request.input
    await process.services.conversations.deletion.delete_items(process.key, stored.conversation_id, [question])
    [beside] = await process.services.conversations.add(
        process.key, stored.conversation_id, [message("beside")], below=before.place.parent_id
    )
    speaker.go_on.set()
    await ended(run)
    texts = await process.texts(stored.conversation_id)
    assert texts == ["1 words", "w0 ", "w0 w1 "]
    assert await process.texts(stored.conversation_id, beside.id) == ["1 words", "w0 ", "beside"]


async def test_without_an_answer_the_conversation_goes_on_where_its_deleted_question_was(
    process: Process, speaker: Speaker
) -> None:
    before = await process.after(await process.run("1 words"))
    run = await process.start("1 words, wait after 0", before)
    stored = await process.stored(run)
    [(question, _)] = run.request.input
    await process.services.conversations.deletion.delete_items(process.key, stored.conversation_id, [question])
    run.cancel()
    await ended(run)
    for context in (
        await process.after(run),
        await process.services.conversations.contexts.within(process.key, stored.conversation_id),
    ):
        assert context.place.parent_id == before.place.parent_id
