"""Documents that were attached to one conversation go with it, whichever way it is deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from tests.libraries.shelf import Shelf

from aquilon.conversations.conversations import ConversationChange
from aquilon.conversations.items import MessageItem, Text
from aquilon.conversations.rows import NewConversation
from aquilon.errors import ApiError
from aquilon.libraries.libraries import LibraryChange
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id


async def delete_it(shelf: Shelf, conversation: str) -> None:
    await shelf.services.conversations.deletion.delete(shelf.person, conversation)


async def delete_its_project(shelf: Shelf, conversation: str) -> None:
    await shelf.services.conversations.deletion.delete_all(shelf.person, [conversation])


async def delete_its_person(shelf: Shelf, conversation: str) -> None:
    await shelf.services.conversations.deletion.delete_of_person(Scope.of_user(shelf.person))


async def let_it_expire(shelf: Shelf, conversation: str) -> None:
    async with shelf.services.database.writing() as session:
        expires = text("UPDATE conversations SET expires_at = :now WHERE id = :id")
        await session.execute(expires, {"now": int(time.time()) - 1, "id": conversation})
    assert await shelf.services.conversations.deletion.prune() == 1


@pytest.mark.parametrize("delete", [delete_it, delete_its_project, delete_its_person, let_it_expire])
async def test_the_documents_of_a_conversation_are_deleted_with_it_and_those_that_it_only_uses_stay(
    shelf: Shelf, delete: Callable[[Shelf, str], Awaitable[None]]
) -> None:
    libraries, conversations = shelf.services.libraries, shelf.services.conversations
    new = NewConversation(id=new_id("conv"), visibility="user")
    conversation = (await conversations.create(shelf.person, new, [MessageItem("user", (Text("Hello"),))])).id
    own, used = await shelf.library(), await shelf.library("Everybody's text.")
    file_id = await shelf.add(own, "Attached to one conversation.", uploaded=True)
    await libraries.change(shelf.person, own, LibraryChange(labels=json.dumps({"conversation_id": conversation})))
    labels = json.dumps({"vector_store_ids": f"{own} {used} vs_unknown"})
    await conversations.change(shelf.person, conversation, ConversationChange(labels=labels))

    await delete(shelf, conversation)

    with pytest.raises(ApiError, match="There is no vector store"):
        await libraries.get(shelf.person, own)
    with pytest.raises(ApiError, match="There is no file"):
        await shelf.services.files.get(shelf.person, file_id)
    assert (await libraries.get(shelf.person, used)).counts.total == 1
