"""A run's events: numbered once, read from any number, bounded in number, and made again from its items."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.conversations.answer import Answer
from aquilon.conversations.items import Item, encoded
from aquilon.conversations.replay import events_of_items
from aquilon.conversations.run import MOST_EVENTS, RunEnded, RunEvent, RunLog, decoded_events, encoded_events
from aquilon.conversations.tables import StoredItem, StoredRun
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Finished, Started, ToolCallDelta

ENDED = RunEnded("completed", Usage(1, 1))
WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
CALLS = st.builds(
    lambda call, text: [
        ToolCallDelta(0, call, f"call_{call}", "look_up", extra={"at": call}),
        ToolCallDelta(0, call, arguments=text),
    ],
    st.integers(0, 2),
    WORDS,
)
PIECES = st.lists(
    st.one_of(
        WORDS.map(lambda text: [Delta(0, text)]),
        WORDS.map(lambda text: [Delta(0, "", reasoning=text)]),
        WORDS.map(lambda text: [Delta(0, "", reasoning=text), Delta(0, "", signature=f"signed {text}")]),
        WORDS.map(lambda text: [Delta(0, "", redacted=text)]),
    ),
    max_size=12,
)


def items_of(events: list[RunEvent]) -> list[tuple[str, Item]]:
    answer = Answer("resp_1")
    for event in events:
        if isinstance(event, Delta | ToolCallDelta):
            for _ in answer.add(event):
                pass
    for _ in answer.end("stop"):
        pass
    return [(item.id, item.item) for item in answer.items]


def without_repeats(pieces: list[list[Any]]) -> list[RunEvent]:
    """Each call begins once."""
    begun: set[int] = set()
    events: list[RunEvent] = []
    for event in (event for piece in pieces for event in piece):
        if isinstance(event, ToolCallDelta) and event.id:
            if event.call in begun:
                continue
            begun.add(event.call)
        events.append(event)
    return events


@given(before=st.integers(0, 3), pieces=st.lists(st.one_of(PIECES, st.lists(CALLS, max_size=4)), max_size=6))
async def test_a_long_run_s_larger_pieces_say_the_same(before: int, pieces: list[list[list[Any]]]) -> None:
    events = without_repeats([piece for group in pieces for piece in group])
    log = RunLog()
    log.events = [Started(0)] * (MOST_EVENTS - before)
    for event in events:
        log.append(event)
    log.flush()
    kept = log.events[MOST_EVENTS - before :]
    assert items_of(kept) == items_of(events)
    assert len(kept) <= len(events)


@pytest.mark.parametrize("piece", [Delta(0, "word"), Delta(0, "", reasoning="hm"), ToolCallDelta(0, 0, arguments="{")])
async def test_a_run_of_any_length_has_a_bounded_number_of_events(piece: Delta | ToolCallDelta) -> None:
    log = RunLog()
    for _ in range(10 * MOST_EVENTS):
        log.append(piece)
    assert len(log.events) < 1.2 * MOST_EVENTS


@given(st.data())
async def test_every_reader_sees_each_event_once_from_where_it_begins(data: st.DataObject) -> None:
    log, number = RunLog(), data.draw(st.integers(0, 8))

    async def read(first: int) -> list[tuple[int, RunEvent]]:
        return [numbered async for numbered in log.read(first)]

    readers = []
    for position in range(number):
        for first in data.draw(st.lists(st.integers(0, number + 3), max_size=2)):
            readers.append((first, asyncio.create_task(read(first))))
        if data.draw(st.booleans()):
            await asyncio.sleep(0)
        log.append(Delta(0, f"{position}"))
    log.append(ENDED)
    for first, reader in readers:
        assert await reader == list(enumerate(log.events))[first:]


@given(PIECES, st.lists(CALLS, max_size=3))
def test_events_survive_storage_and_are_made_again_from_the_items(pieces: list[list[Any]], calls: list[Any]) -> None:
    events = without_repeats(pieces + calls)
    assert decoded_events(encoded_events([*events, Finished(0, "stop"), ENDED])) == [
        *events,
        Finished(0, "stop"),
        ENDED,
    ]
    rows = [
        StoredItem(id=id_, branch=0, depth=depth, status="completed", content=encoded(item))
        for depth, (id_, item) in enumerate(items_of(events))
    ]
    run = StoredRun(
        id="resp_1",
        model="stand-in",
        status="completed",
        reason=None,
        error=None,
        prompt_tokens=1,
        cached_tokens=0,
        completion_tokens=1,
        reasoning_tokens=0,
    )
    again = events_of_items(run, rows)
    assert items_of(again) == items_of(events)
    assert again[0] == Started(0, stand_in="stand-in")
    assert isinstance(again[-1], RunEnded)
    assert again[-1].usage == ENDED.usage
