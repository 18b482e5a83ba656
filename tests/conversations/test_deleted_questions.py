"""A deleted question's words live on nowhere: not in its conversation's title, nor in a summary."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.stored_runs import Process, message

from aquilon.conversations.conversations import ConversationChange
from aquilon.conversations.items import CompactionItem
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.search import search
from aquilon.conversations.visible import BEGINNING
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id

QUESTIONS = ("Where does the gneiss lie?", "And the basalt?")


async def begun(process: Process, title: str | None = None) -> str:
    new = NewConversation(
        id=new_id("conv"), visibility="workspace", implicit=False, title=title, named_by_person=title is not None
    )
    items = [message("Be brief.", "system"), *(message(question) for question in QUESTIONS)]
    return (await process.services.conversations.create(process.key, new, items)).id


async def delete(process: Process, conversation: str, question: str) -> None:
    rows, _ = await process.services.conversations.page(process.key, conversation, order="asc", limit=10)
    deleted = next(row.id for row in rows if question in row.content)
    await process.services.conversations.deletion.delete_items(process.key, conversation, [deleted])


async def title_of(process: Process, conversation: str) -> str | None:
    return (await process.services.conversations.get(process.key, conversation)).title


@pytest.mark.parametrize("by_model", [True, False], ids=["a model's title", "the question's beginning"])
async def test_a_title_goes_with_the_question_that_it_was_made_of(process: Process, by_model: bool) -> None:
    conversation = await begun(process)
    if by_model:
        change = ConversationChange(title="Finding gneiss", named_by_person=False)
        await process.services.conversations.change(process.key, conversation, change)
    await delete(process, conversation, "basalt")
    assert await title_of(process, conversation) == ("Finding gneiss" if by_model else QUESTIONS[0])
    await delete(process, conversation, "gneiss")
    assert await title_of(process, conversation) is None


async def test_the_first_question_that_is_left_names_the_conversation(process: Process) -> None:
    conversation = await begun(process)
    change = ConversationChange(title="Finding gneiss", named_by_person=False)
    await process.services.conversations.change(process.key, conversation, change)
    await delete(process, conversation, "gneiss")
    assert await title_of(process, conversation) == QUESTIONS[1]
    hits, _ = await search(process.services.database, process.key, "gneiss", limit=10)
    assert hits == []


async def test_a_question_that_stood_beside_the_first_one_names_the_conversation_next(process: Process) -> None:
    conversations, conversation = process.services.conversations, await begun(process)
    rows, _ = await conversations.page(process.key, conversation, order="asc", limit=10)
    await conversations.add(process.key, conversation, [message("Which stones?")], below=BEGINNING)
    await conversations.deletion.delete_items(process.key, conversation, [row.id for row in rows])
    assert await title_of(process, conversation) == "Which stones?"


@pytest.mark.parametrize("later", [True, False], ids=["later", "from the beginning"])
async def test_a_title_that_somebody_wrote_stays(process: Process, later: bool) -> None:
    conversation = await begun(process, None if later else "Stones")
    if later:
        await process.services.conversations.change(process.key, conversation, ConversationChange(title="Stones"))
    await delete(process, conversation, "gneiss")
    assert await title_of(process, conversation) == "Stones"


async def test_summaries_go_with_a_question_that_they_may_tell_of(process: Process) -> None:
    conversations, conversation = process.services.conversations, await begun(process)
    await conversations.add(process.key, conversation, [CompactionItem("About gneiss and basalt")])
    await delete(process, conversation, "gneiss")
    assert await process.texts(conversation) == ["Be brief.", QUESTIONS[1]]


async def test_a_person_s_deletion_takes_the_title_of_their_question_in_another_s_conversation(
    process: Process,
) -> None:
    leaver = replace(process, key=replace(process.key, user_id="user_leaver"))
    conversations, conversation = process.services.conversations, await begun(process)
    await delete(process, conversation, "gneiss")
    await delete(process, conversation, "basalt")
    asked = await leaver.run("1 words", await conversations.contexts.within(leaver.key, conversation))
    change = ConversationChange(title="One word", named_by_person=False)
    await conversations.change(process.key, conversation, change)
    await process.run("2 words", await process.after(asked))
    scope = Scope(process.key.organization_id, "user_leaver")
    assert await conversations.deletion.delete_questions_of_person(scope) == 1
    assert await title_of(process, conversation) == "2 words"
