"""An answer with several choices: each is on a branch of its own, and keeps its number; runs are found by labels."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aquilon.api.generation.stored_chat import completion_of
from aquilon.conversations.dialects.chat_answers import Shape
from aquilon.conversations.items import CalledTool, CallItem, MessageItem, Text, decoded, encoded
from aquilon.conversations.recovery import end_abandoned
from aquilon.conversations.replay import events_of_items
from aquilon.conversations.run import RunEvent, encoded_events
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.tables import ConversationBranch, RunEvents, StoredConversation, StoredItem, StoredRun
from aquilon.people import first_run
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.request import Delta, Finished, Started, ToolCallDelta
from aquilon.storage import Database

EVENTS: list[RunEvent] = [Started(0), Delta(0, "one"), Delta(1, "two"), Finished(1, "stop"), Delta(0, " and")]


async def store_run(
    database: Database,
    *,
    labels: dict[str, str],
    dialect: str = "chat",
    body: str | None = None,
    events: Sequence[RunEvent] = EVENTS,
) -> tuple[Principal, StoredRun]:
    """A run, by default with two choices, whose process is gone."""
    await first_run.prepare_first_run(database)
    operator = await first_run.operator(database)
    owner = {"organization_id": operator.organization_id}
    conversation = StoredConversation(
        id="conv_1",
        **owner,
        workspace_id=operator.workspace_id,
        user_id=operator.user_id,
        visibility="workspace",
        implicit=True,
        title=None,
        labels="{}",
        settings="{}",
        edition=0,
        head_id="msg_1",
        created_at=1,
        updated_at=1,
        retention_days=None,
        expires_at=None,
    )
    item = StoredItem(
        id="msg_1",
        **owner,
        conversation_id="conv_1",
        branch=0,
        depth=0,
        parent_id=None,
        run_id="chatcmpl_1",
        output=False,
        status="completed",
        content=encoded(MessageItem("user", (Text("Count"),))),
        created_at=1,
    )
    run = StoredRun(
        id="chatcmpl_1",
        **owner,
        conversation_id="conv_1",
        process_id="gone",
        dialect=dialect,
        model="m",
        body=body or msgspec.json.encode(Shape(id="chatcmpl_1", model="m", n=2)).decode(),
        labels=msgspec.json.encode(labels).decode(),
        background=False,
        status="in_progress",
        reason=None,
        error=None,
        leaf_id="msg_1",
        prompt_tokens=0,
        cached_tokens=0,
        completion_tokens=0,
        reasoning_tokens=0,
        unbilled=None,
        cancelling=False,
        created_at=1,
        ended_at=None,
    )
    branches = [
        ConversationBranch(conversation_id="conv_1", number=0, **owner, parent=None, forked_at=-1),
        ConversationBranch(conversation_id="conv_1", number=1, **owner, parent=0, forked_at=0),
    ]
    async with database.writing() as session:
        session.add(conversation)
        await session.flush()
        session.add_all([*branches, item, run])
        await session.flush()
        session.add(RunEvents(run_id=run.id, first=0, **owner, events=encoded_events(events)))
    return operator, run


async def test_all_choices_of_a_killed_answer_are_kept_with_their_numbers(database: Database) -> None:
    operator, run = await store_run(database, labels={})
    await end_abandoned(database, run)
    scope = Scope.of_organization(operator)
    async with database.reading() as session:
        rows = await stored_runs.items_of(session, scope, run.id, output=True)
        ended = await stored_runs.by_id(session, operator, run.id)
    assert [(row.branch, row.parent_id, row.status) for row in rows] == [
        (0, "msg_1", "incomplete"),
        (1, "msg_1", "completed"),
    ]
    assert [decoded(row.content) for row in rows] == [
        MessageItem("assistant", (Text("one and"),)),
        MessageItem("assistant", (Text("two"),)),
    ]
    assert ended is not None
    assert (ended.status, ended.leaf_id) == ("failed", rows[0].id)
    finished = [event for event in events_of_items(ended, rows) if isinstance(event, Finished)]
    assert finished == [Finished(0, "length"), Finished(1, "stop")]
    completion = completion_of(ended, rows)
    assert [choice.message.content for choice in completion.choices] == ["one and", "two"]
    assert [choice.finish_reason for choice in completion.choices] == ["error", "error"]


async def test_a_call_of_a_custom_tool_stays_one_in_a_killed_answer(database: Database) -> None:
    tools = [{"type": "custom", "name": "patch", "description": None, "format": {"type": "text"}}]
    arguments = '{"input": "*** Begin'
    operator, run = await store_run(
        database,
        labels={},
        dialect="responses",
        body=msgspec.json.encode({"tools": tools}).decode(),
        events=[Started(0), ToolCallDelta(0, 0, id="call_1", name="patch", arguments=arguments)],
    )
    await end_abandoned(database, run)
    async with database.reading() as session:
        [row] = await stored_runs.items_of(session, Scope.of_organization(operator), run.id, output=True)
    assert decoded(row.content) == CallItem("call_1", "patch", arguments, CalledTool("patch", None, custom=True))


async def test_answers_are_found_by_their_labels_whatever_these_are_called(database: Database) -> None:
    labels = {'a "quoted], $.key': "One", "7": "x", "": "é\n"}
    operator, run = await store_run(database, labels=labels)
    await end_abandoned(database, run)
    async with database.writing() as session:
        await session.execute(Scope.of_organization(operator).update(StoredRun).values(status="completed"))

    async def found(**wanted: str) -> bool:
        async with database.reading() as session:
            page = await stored_runs.page(
                session,
                operator,
                dialect="chat",
                labels=wanted,
                model=None,
                after=None,
                oldest_first=True,
                limit=1,
            )
        return bool(page)

    assert await found()
    for name, text in labels.items():
        assert await found(**{name: text})
        assert not await found(**{name: text.lower() + "?"})
    assert await found(**labels)
    assert not await found(**{'a "quoted], $.key': "one"})
    assert not await found(other="One")
