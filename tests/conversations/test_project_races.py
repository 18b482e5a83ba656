"""A project that is deleted while something is put into it: what came too late is refused, and nothing fails."""

from __future__ import annotations

import asyncio

import pytest

from aquilon.conversations.conversations import ConversationChange, Conversations
from aquilon.conversations.projects import Projects
from aquilon.conversations.rows import NewConversation
from aquilon.errors import ApiError
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.storage import Database

AT_ONCE = 12


@pytest.mark.parametrize("moved", [False, True], ids=["begun in it", "moved into it"])
async def test_what_is_put_into_a_project_that_is_deleted_meanwhile_is_refused_or_in_none(
    database: Database, conversations: Conversations, person: Principal, moved: bool
) -> None:
    projects = Projects(database)
    project = (await projects.create(person, name="Tea", instructions="", visibility="user")).id
    present = [NewConversation(id=new_id("conv"), visibility="user") for _ in range(AT_ONCE)]
    if moved:
        for new in present:
            await conversations.create(person, new, [])

    async def put(new: NewConversation) -> None:
        if moved:
            await conversations.change(person, new.id, ConversationChange(project_id=project))
        else:
            inside = NewConversation(id=new.id, visibility="user", project_id=project)
            await conversations.create(person, inside, [])

    half = AT_ONCE // 2
    puts = [put(new) for new in present]
    ended = await asyncio.gather(*puts[:half], projects.delete(person, project), *puts[half:], return_exceptions=True)
    refused = [error for error in ended if error is not None]
    assert all(isinstance(error, ApiError) and error.code == "project_not_found" for error in refused), refused
    if moved:
        for new in present:
            assert (await conversations.get(person, new.id)).project_id is None
