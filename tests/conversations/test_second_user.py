"""Nobody reaches what another organization, workspace or person has stored: keys and sessions, on both databases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.support.stored_runs import Process, message

from aquilon.conversations.conversations import ConversationChange
from aquilon.conversations.live_run import LiveRun
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.tables import StoredConversation
from aquilon.errors import ApiError
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id

Change = Callable[[Principal], Principal]


def session(principal: Principal, user_id: str | None = None) -> Principal:
    return replace(principal, api_key_id=None, user_id=user_id or principal.user_id)


STRANGERS: dict[str, Change] = {
    "a key of another organization": lambda key: replace(key, organization_id="org_other"),
    "a session in another organization": lambda key: session(replace(key, organization_id="org_other")),
    "a key of another workspace": lambda key: replace(key, workspace_id="workspace_other"),
    "a session in another workspace": lambda key: session(replace(key, workspace_id="workspace_other"), "user_other"),
}
TO_A_PERSON: dict[str, Change] = STRANGERS | {
    "a key of the same person": lambda key: key,
    "somebody else of the same workspace": lambda key: session(key, "user_other"),
}


async def reach(process: Process, stranger: Principal, run: LiveRun, conversation: StoredConversation) -> list[str]:
    """The ways by which the stranger gets at the conversation or its run."""
    conversations, runs, id_ = process.services.conversations, process.services.runs, conversation.id
    item_id = run.request.input[0][0]
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: conversations.get(stranger, id_),
        "page": lambda: conversations.page(stranger, id_, limit=10),
        "item": lambda: conversations.item(stranger, id_, item_id),
        "last below": lambda: conversations.last_below(stranger, id_, item_id),
        "move": lambda: conversations.change(stranger, id_, ConversationChange(head_id=item_id)),
        "add": lambda: conversations.add(stranger, id_, [message("mine")]),
        "add below": lambda: conversations.add(stranger, id_, [message("mine")], below=item_id),
        "within": lambda: conversations.contexts.within(stranger, id_),
        "after run": lambda: conversations.contexts.after_run(stranger, run.id),
        "delete items": lambda: conversations.deletion.delete_items(stranger, id_, [item_id]),
        "delete": lambda: conversations.deletion.delete(stranger, id_),
    }
    reached = []
    for name, way in ways.items():
        try:
            await way()
        except ApiError as error:
            if error.status == 404 or error.code == "previous_response_not_found":
                continue
        reached.append(name)
    if await conversations.items_by_id(stranger, [item_id]):
        reached.append("items by id")
    if await runs.stored(stranger, run.id) is not None:
        reached.append("run")
    return reached


async def test_a_workspace_s_conversation_is_not_found_from_outside(process: Process) -> None:
    run = await process.run("1 words")
    stored = await process.stored(run)
    conversation = await process.services.conversations.get(process.key, stored.conversation_id)
    for name, stranger in STRANGERS.items():
        assert (name, await reach(process, stranger(process.key), run, conversation)) == (name, [])
    assert await process.texts(conversation.id) == ["1 words", "w0 "]


async def test_a_person_s_conversation_is_found_by_nobody_else(process: Process) -> None:
    person = replace(process, key=session(process.key))
    run = await person.run("1 words")
    stored = await person.stored(run)
    conversation = await process.services.conversations.get(person.key, stored.conversation_id)
    assert conversation.visibility == "user"
    for name, stranger in TO_A_PERSON.items():
        assert (name, await reach(process, stranger(process.key), run, conversation)) == (name, [])
    assert await person.texts(conversation.id) == ["1 words", "w0 "]


async def test_an_item_of_another_conversation_is_no_place(process: Process) -> None:
    conversations = process.services.conversations
    run = await process.run("1 words")
    other = NewConversation(id=new_id("conv"), visibility="workspace", implicit=False)
    await conversations.create(process.key, other, [])
    foreign = run.request.input[0][0]
    for way in (
        conversations.add(process.key, other.id, [message("below")], below=foreign),
        conversations.contexts.within(process.key, other.id, below=foreign),
        conversations.page(process.key, other.id, leaf=foreign, limit=10),
        conversations.page(process.key, other.id, after=foreign, limit=10),
        conversations.deletion.delete_items(process.key, other.id, [foreign]),
        conversations.last_below(process.key, other.id, foreign),
        conversations.change(process.key, other.id, ConversationChange(head_id=foreign)),
    ):
        with pytest.raises(ApiError) as refused:
            await way
        assert refused.value.status == 404
