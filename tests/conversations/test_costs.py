"""What a conversation costs doesn't grow with its length: to show a page of it, and to send its next message."""

from __future__ import annotations

from typing import Literal

import pytest
from tests.support.counted_rows import Counted, counted
from tests.support.stored_runs import Process, message

from aquilon.conversations import runs
from aquilon.conversations.contexts import Context
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.conversations.rows import NewConversation
from aquilon.money import shared_stock
from aquilon.people.secrets import new_id
from aquilon.storage import Database

LENGTHS = (50, 500)
"""Turns: a question and an answer each."""


@pytest.fixture(autouse=True)
def nothing_by_the_clock(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process asks again after a while is no cost of the message that comes then."""
    database.changes.heard = True  # nobody else changes anything here
    monkeypatch.setattr(runs, "NOTE_SECONDS", 3600.0)
    monkeypatch.setattr(shared_stock, "BEAT_SECONDS", 3600.0)


async def of_length(process: Process, turns: int) -> str:
    conversations, conversation_id = process.services.conversations, new_id("conv")
    new = NewConversation(id=conversation_id, visibility="workspace", implicit=False)
    items = [message(f"{number}", role) for number in range(turns) for role in ("user", "assistant")]
    await conversations.create(process.key, new, items[:1000])
    for start in range(1000, len(items), 1000):
        await conversations.add(process.key, conversation_id, items[start : start + 1000])
    return conversation_id


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_page_costs_a_page(process: Process, database: Database, order: Literal["asc", "desc"]) -> None:
    conversations, key = process.services.conversations, process.key
    costs: list[Counted] = []
    for turns in (50, 2500):
        conversation_id = await of_length(process, turns)
        with counted(database) as cost:
            first, more = await conversations.page(key, conversation_id, order=order, limit=20)
            await conversations.page(key, conversation_id, order=order, after=first[-1].id, limit=20)
        assert (len(first), more) == (20, True)
        costs.append(cost)
    assert costs[0] == costs[1]
    assert costs[1].rows < 110  # of each item its size, and itself


async def test_the_next_message_reads_no_earlier_one(process: Process, database: Database) -> None:
    costs: list[Counted] = []
    for turns in LENGTHS:
        conversation_id = await of_length(process, turns)

        async def context(conversation_id: str = conversation_id) -> Context:
            return await process.services.conversations.contexts.within(process.key, conversation_id)

        await process.run("1 words", await context())
        with counted(database) as cost:
            await process.run("1 words", await context())
        costs.append(cost)
    assert costs[0] == costs[1]
    assert costs[1].rows < 10


async def test_after_a_restart_the_first_message_reads_each_earlier_one(process: Process, database: Database) -> None:
    conversation_id = await of_length(process, 50)
    restarted = Conversations(database, Histories())
    for rows in (200, 0):  # of each item its size, and itself
        with counted(database) as cost:
            context = await restarted.contexts.within(process.key, conversation_id)
        assert len(context.history.items) == 100
        assert rows <= cost.rows < rows + 10
