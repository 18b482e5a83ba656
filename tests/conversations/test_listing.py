"""Lists of conversations, of their branches and of the models that answered last, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.counted_rows import counted

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.conversations.items import Item, MessageItem, Text
from aquilon.conversations.projects import Projects
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.search import search
from aquilon.conversations.store.conversations import ALL, NO_PROJECT, Chosen
from aquilon.conversations.tables import StoredConversation, StoredRun
from aquilon.conversations.visible import BEGINNING
from aquilon.people import first_run
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.storage import Database


@pytest.fixture
async def caller(database: Database) -> Principal:
    await first_run.prepare_first_run(database)
    return await first_run.operator(database)


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database, Histories())


def said(*texts: str) -> list[Item]:
    return [MessageItem("user", (Text(text),)) for text in texts]


async def begin(conversations: Conversations, caller: Principal, *texts: str) -> StoredConversation:
    new = NewConversation(id=new_id("conv"), visibility="workspace", implicit=False)
    return await conversations.create(caller, new, said(*texts))


async def test_pages_of_conversations_that_changed_in_one_second_miss_none(
    conversations: Conversations, caller: Principal
) -> None:
    ids = {(await begin(conversations, caller)).id for _ in range(5)}
    seen, after, more = list[str](), None, True
    while more:
        rows, more = await conversations.latest_first(caller, after=after, limit=2)
        seen += [row.id for row in rows]
        after = seen[-1]
    assert len(seen) == 5
    assert set(seen) == ids


async def test_a_list_and_a_search_ask_once_whatever_they_choose(
    database: Database, conversations: Conversations, caller: Principal
) -> None:
    person = replace(caller, api_key_id=None)
    project = await Projects(database).create(person, name="Tea", instructions="", visibility="user")
    for number in range(30):
        new = NewConversation(
            id=new_id("conv"),
            visibility="user" if number % 2 else "workspace",
            implicit=False,
            title="Tea",
            pinned=number % 3 == 0,
            project_id=project.id if number % 2 else None,
        )
        await conversations.create(person, new, said("tea"))
    for chosen, number in ((ALL, 30), (Chosen(pinned=True), 10), (Chosen(project_id=project.id, pinned=False), 10)):
        with counted(database) as cost:
            rows, more = await conversations.latest_first(person, chosen=chosen, limit=100)
        assert (len(rows), more) == (number, False)
        assert [(row.updated_at, row.id) for row in rows] == sorted(
            ((row.updated_at, row.id) for row in rows), reverse=True
        )
        assert (cost.statements, cost.rows) == (1, number)
    with counted(database) as cost:
        hits, _ = await search(database, person, "tea", chosen=Chosen(project_id=NO_PROJECT), limit=10)
    assert len(hits) == 10
    assert {hit.conversation.project_id for hit in hits} == {None}
    assert cost.statements == 3  # the best texts that the caller sees, their conversations, their messages


async def test_a_conversation_leaves_its_project_when_that_is_deleted(
    database: Database, conversations: Conversations, caller: Principal
) -> None:
    projects = Projects(database)
    project = await projects.create(caller, name="Tea", instructions="Be brief.", visibility="workspace")
    new = NewConversation(id=new_id("conv"), visibility="workspace", implicit=False, project_id=project.id)
    await conversations.create(caller, new, said("tea"))
    assert (await conversations.contexts.within(caller, new.id)).project.instructions == "Be brief."
    await projects.delete(caller, project.id)
    context = await conversations.contexts.within(caller, new.id)
    assert context.project.instructions is None
    [row], _ = await conversations.latest_first(caller, chosen=Chosen(project_id=NO_PROJECT), limit=9)
    assert row.id == new.id


async def test_branches_are_listed_from_their_first_to_their_last_item(
    conversations: Conversations, caller: Principal
) -> None:
    begun = await begin(conversations, caller, "a", "b", "c")
    rows, _ = await conversations.page(caller, begun.id, order="asc", limit=10)
    a, _, c = (row.id for row in rows)
    [_, deeper] = await conversations.add(caller, begun.id, said("d", "e"), below=a)
    [anew] = await conversations.add(caller, begun.id, said("f"), below=BEGINNING)
    branches, more = await conversations.branches(caller, begun.id, after=-1, limit=2)
    assert ([(one.parent_id, one.last_id) for one in branches], more) == ([(None, c), (a, deeper.id)], True)
    [last], more = await conversations.branches(caller, begun.id, after=branches[-1].number, limit=2)
    assert (last.parent_id, last.first_id, last.last_id, more) == (None, anew.id, anew.id, False)


async def test_the_latest_run_s_model_is_kept(
    database: Database, conversations: Conversations, caller: Principal
) -> None:
    first, other = await begin(conversations, caller), await begin(conversations, caller)
    async with database.writing() as session:
        for number, model in enumerate(("old", "new")):
            session.add(a_run(caller, first.id, model, at=number))
    assert await conversations.latest_models(caller, [first.id, other.id]) == {first.id: "new"}
    assert await conversations.latest_models(replace(caller, organization_id="x"), [first.id]) == {}


def a_run(caller: Principal, conversation_id: str, model: str, *, at: int) -> StoredRun:
    values = dict.fromkeys(("process_id", "reason", "error", "leaf_id", "unbilled"))
    numbers = dict.fromkeys(("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"), 0)
    return StoredRun(
        id=new_id("run"),
        organization_id=caller.organization_id,
        conversation_id=conversation_id,
        dialect="mistral",
        model=model,
        body="{}",
        labels="{}",
        background=False,
        status="completed",
        cancelling=False,
        created_at=at,
        ended_at=at,
        **values,
        **numbers,
    )
