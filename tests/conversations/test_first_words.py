"""The beginning of a question names a conversation that no model has given a title."""

from __future__ import annotations

import pytest
from tests.support.polling import until
from tests.support.stored_runs import MODEL, Process, Speaker, ended, message

from aquilon.conversations.conversations import ConversationChange
from aquilon.conversations.first_words import LONGEST_TITLE, first_words
from aquilon.conversations.recovery import end_abandoned
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.search import search
from aquilon.conversations.transfer.imports.storing import store
from aquilon.conversations.transfer.imports.tree import Node, Tree
from aquilon.people.secrets import new_id
from aquilon.storage import Database

FAMILY, FLAG = "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1eb\U0001f1f7"


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Why is the sky blue?", "Why is the sky blue?"),
        ("  many\n\n spaces\u2028and\tlines  ", "many spaces and lines"),
        ("Tea\x1b[31m\x00 or\x85coffee\u00ad \u202eevil", "Tea [31m or coffee evil"),
        ("\x00\u200b\n", ""),
        ("word " * 40, "word " * 11 + "word…"),
        ("Donaudampfschifffahrt" * 9, ("Donaudampfschifffahrt" * 9)[:59] + "…"),
        ("北风和太阳在争论谁更强" * 9, ("北风和太阳在争论谁更强" * 9)[:59] + "…"),
        ("ما هو سبب زرقة السماء في النهار " * 3, "ما هو سبب زرقة السماء في النهار ما هو سبب زرقة السماء في…"),
        ("می\u200cخواهم بدانم", "می\u200cخواهم بدانم"),
        ("हिन्दी" * 20, "हिन्दी" * 9 + "हिन्…"),
        ("x" + "e\u0301" * 90, "x" + "e\u0301" * 29 + "…"),
        (FAMILY * 30, FAMILY * 11 + "…"),
        (FLAG * 50, FLAG * 29 + "…"),
        ("\U0001f44b\U0001f3fd" * 90, "\U0001f44b\U0001f3fd" * 29 + "…"),
        ("e" + "\u0301" * 500, "e" + "\u0301" * 58 + "…"),
    ],
)
def test_the_first_words_are_on_one_line_and_end_between_words_or_characters(question: str, title: str) -> None:
    assert first_words(question) == title
    assert len(title) <= LONGEST_TITLE


async def new_conversation(process: Process, title: str | None = None) -> str:
    new = NewConversation(id=new_id("conv"), visibility="workspace", implicit=False, title=title)
    return (await process.services.conversations.create(process.key, new, [message("Be brief", "system")])).id


async def test_a_conversation_is_named_by_its_question_from_the_moment_that_it_is_asked(
    process: Process, speaker: Speaker
) -> None:
    id_ = await new_conversation(process)
    run = await process.start(
        "2 words, wait after 0", await process.services.conversations.contexts.within(process.key, id_)
    )
    assert await title_of(process, id_) == "2 words, wait after 0"
    speaker.go_on.set()
    await ended(run)


async def test_a_conversation_that_comes_with_its_question_is_named_by_it(process: Process, database: Database) -> None:
    conversations, question = process.services.conversations, message("Why is\nthe sky blue?")
    created = NewConversation(id=new_id("conv"), visibility="workspace", implicit=False)
    assert (await conversations.create(process.key, created, [question])).title == "Why is the sky blue?"

    id_ = await new_conversation(process)
    await conversations.add(process.key, id_, [question])
    assert await title_of(process, id_) == "Why is the sky blue?"
    await conversations.add(process.key, id_, [message("And red?")])
    assert await title_of(process, id_) == "Why is the sky blue?"

    await conversations.change(process.key, id_, ConversationChange(title="Mine"))
    await conversations.change(process.key, id_, ConversationChange(title=None))
    assert await title_of(process, id_) == "Why is the sky blue?"

    nodes = [Node(id="1", parent_id=None, item=question)]
    tree = Tree(title=None, created_at=None, updated_at=None, nodes=nodes, head=None)
    imported = await store(database, conversations, process.key, tree)
    assert await title_of(process, imported) == "Why is the sky blue?"
    hits, _ = await search(database, process.key, "sky", limit=10)
    assert [hit.conversation.title for hit in hits if hit.item is None] == ["Why is the sky blue?"] * 3


async def title_of(process: Process, conversation_id: str) -> str | None:
    return (await process.services.conversations.get(process.key, conversation_id)).title


@pytest.mark.parametrize(("title", "kept"), [(None, "0 words, then break off"), ("Mine", "Mine")])
async def test_a_conversation_whose_first_answer_failed_is_named_by_its_question(
    process: Process, title: str | None, kept: str
) -> None:
    conversations, id_ = process.services.conversations, await new_conversation(process, title)
    run = await process.run("0 words, then break off", await conversations.contexts.within(process.key, id_))
    assert (await process.stored(run)).status == "failed"
    assert await title_of(process, id_) == kept


async def test_a_later_answer_gives_a_model_s_title_unless_somebody_has_named_it(
    process: Process, speaker: Speaker
) -> None:
    conversations, titles = process.services.conversations, process.services.titles
    id_ = await new_conversation(process)
    run = await process.start("2 words, wait after 0", await conversations.contexts.within(process.key, id_))
    run.cancel()
    await ended(run)
    named = await titles.give(process.key, id_, model=MODEL)
    assert named.title == "2 words, wait after 0"

    speaker.go_on.set()
    await process.run("1 words", await conversations.contexts.within(process.key, id_))
    for _ in range(2):
        assert (await titles.give(process.key, id_, model=MODEL)).title == "w0 w1"
    await conversations.change(process.key, id_, ConversationChange(title="Mine"))
    assert (await titles.give(process.key, id_, model=MODEL)).title == "Mine"


async def test_an_answer_that_was_lost_with_its_process_leaves_the_question_s_words(
    process: Process, database: Database, speaker: Speaker
) -> None:
    id_ = await new_conversation(process)
    run = await process.start(
        "2 words, wait after 0", await process.services.conversations.contexts.within(process.key, id_)
    )
    await until(lambda: run.is_stored)
    await end_abandoned(database, await process.stored(run))
    assert await title_of(process, id_) == "2 words, wait after 0"
    speaker.go_on.set()
    await ended(run)
