"""Who asked the questions of a conversation, as one of its readers is told."""

from __future__ import annotations

from dataclasses import replace

from tests.support.stored_runs import Process

from aquilon.conversations.conversations import Asker
from aquilon.people.scope import Scope


async def test_a_person_without_an_account_has_no_name(process: Process) -> None:
    first = await process.run("1 words")
    strangers = replace(process, key=replace(process.key, user_id="user_gone"))
    second = await strangers.run("2 words", await process.after(first))
    conversations, conversation = process.services.conversations, first.request.place.conversation_id

    async def askers(process: Process) -> dict[str, Asker]:
        rows, _ = await conversations.page(process.key, conversation, order="asc", limit=10)
        return dict((await conversations.surroundings(process.key, conversation, rows)).askers)

    assert await askers(process) == {second.id: Asker("user_gone", None)}
    assert await askers(strangers) == {first.id: Asker(process.key.user_id, process.key.user_name)}


async def test_the_answers_of_one_person_alone_say_nobody_s_name(process: Process) -> None:
    first = await process.run("1 words")
    second = await process.run("2 words", await process.after(first))
    reader = replace(process.key, user_id="user_reader")
    conversation = first.request.place.conversation_id
    rows, _ = await process.services.conversations.page(reader, conversation, order="asc", limit=10)
    surroundings = await process.services.conversations.surroundings(reader, conversation, rows)
    assert {run.id for run in surroundings.runs} == {first.id, second.id}
    assert surroundings.askers == {}


async def test_a_person_s_questions_in_others_conversations_are_deleted_and_what_was_below_stays(
    process: Process,
) -> None:
    leaver = replace(process, key=replace(process.key, user_id="user_leaver"))
    first = await process.run("1 words")
    asked = await leaver.run("2 words", await process.after(first))
    below = await process.run("3 words", await process.after(asked))
    scope, deletion = Scope(process.key.organization_id, "user_leaver"), process.services.conversations.deletion
    assert [await deletion.delete_questions_of_person(scope) for _ in range(2)] == [1, 0]
    assert await process.texts(first.request.place.conversation_id) == ["1 words", "w0 ", "3 words", "w0 w1 w2 "]
    assert await process.services.runs.stored(process.key, asked.id) is None
    assert (await process.stored(below)).asked_by == process.key.user_id
    assert await deletion.delete_questions_of_person(Scope("org_elsewhere", process.key.user_id)) == 0
