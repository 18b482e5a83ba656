"""A reader of a workspace's conversation sees new messages without asking again, and nothing once it is closed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from tests.support.stored_runs import message

from aquilon.conversations import live
from aquilon.conversations.conversations import ConversationChange, Conversations
from aquilon.conversations.projects import Projects
from aquilon.conversations.rows import NewConversation
from aquilon.errors import ApiError
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.storage import Database


async def test_a_reader_sees_each_change_until_the_conversation_is_closed(
    database: Database, conversations: Conversations, person: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)
    new = NewConversation(id=new_id("conv"), visibility="user", implicit=False)
    await conversations.create(person, new, [message("First")])

    async def reader() -> Principal:
        return replace(person, user_id="user_other")

    with pytest.raises(ApiError):
        await anext(live.changes(database, reader, new.id, stop=asyncio.Event()))
    await conversations.change(person, new.id, ConversationChange(visibility="workspace"))
    async with aclosing(live.changes(database, reader, new.id, stop=asyncio.Event())) as states:
        first = await anext(states)
        project = await Projects(database).create(person, name="Tea", instructions="", visibility="workspace")
        await conversations.change(person, new.id, ConversationChange(project_id=project.id))
        moved = await anext(states)
        [added] = await conversations.add(person, new.id, [message("Second")])
        second = await anext(states)
        await conversations.change(person, new.id, ConversationChange(visibility="user"))
        assert await anext(states) is None
        assert [state async for state in states] == []
    assert first is not None
    assert moved is not None
    assert second is not None
    assert (first.visibility, first.running, first.project_id) == ("workspace", [], None)
    assert moved.project_id == project.id
    assert second.head_id == added.id != first.head_id
