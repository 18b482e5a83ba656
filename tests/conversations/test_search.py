"""The search of messages and titles, on both databases: what is found, and by whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.exc import DBAPIError

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.items import CallOutputItem, Item, ItemRole, MessageItem, ReasoningItem, Text
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.search import MOST_QUERY_CHARACTERS, search
from aquilon.conversations.visible import default_visibility
from aquilon.errors import ApiError
from aquilon.people.administration import organizations
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.storage import Database


def message(text: str, role: ItemRole = "user") -> MessageItem:
    return MessageItem(role, (Text(text),))


async def store(conversations: Conversations, principal: Principal, *items: Item, title: str | None = None) -> str:
    new = NewConversation(id=new_id("conv"), visibility=default_visibility(principal), title=title)
    return (await conversations.create(principal, new, items)).id


async def texts(database: Database, principal: Principal, query: str, *, offset: int = 0, limit: int = 20) -> list[str]:
    hits, _ = await search(database, principal, query, offset=offset, limit=limit)
    return [hit.snippet.text for hit in hits]


async def test_messages_and_titles_are_found_with_and_without_accents(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    id_ = await store(
        conversations, person, message("Où est l'école ?"), message("Die Schule ist grün", "assistant"), title="Écoles"
    )
    assert set(await texts(database, person, "ECOLE")) == {"Où est l'école ?", "Écoles"}
    assert await texts(database, person, "schul grun") == ["Die Schule ist grün"]
    assert await texts(database, person, "école grün") == []
    hits, has_more = await search(database, person, "écoles", limit=1)
    [hit] = hits
    assert (hit.conversation.id, hit.item, hit.snippet.text, has_more) == (id_, None, "Écoles", False)


async def test_only_what_people_wrote_and_read_is_searched(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    await store(
        conversations,
        person,
        message("quartz in the instructions", "system"),
        ReasoningItem("quartz in a thought"),
        CallOutputItem("call_1", (Text("quartz in a result"),)),
        message("quartz in the answer", "assistant"),
    )
    assert await texts(database, person, "quartz") == ["quartz in the answer"]


async def test_items_that_are_added_are_found_and_deleted_ones_are_not(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    id_ = await store(conversations, person, message("basalt one"))
    [added] = await conversations.add(person, id_, [message("basalt two")])
    assert await texts(database, person, "basalt") == ["basalt two", "basalt one"]
    await conversations.deletion.delete_items(person, id_, [added.id])
    assert await texts(database, person, "basalt") == ["basalt one"]
    await conversations.deletion.delete(person, id_)
    assert await texts(database, person, "basalt") == []


async def test_a_search_finds_only_what_its_caller_may_read(
    database: Database, conversations: Conversations, person: Principal, key: Principal
) -> None:
    other = (await organizations.create(database, person, "other house", owner="olga")).organization
    stranger = replace(
        person, organization_id=other.id, workspace_id="workspace_other", user_id="user_other", api_key_id="key_2"
    )
    await store(conversations, person, message("granite of a person"))
    await store(conversations, key, message("granite of a workspace"))
    await store(conversations, stranger, message("granite of strangers"))
    assert await texts(database, person, "granite") == ["granite of a workspace", "granite of a person"]
    assert await texts(database, key, "granite") == ["granite of a workspace"]
    assert await texts(database, replace(person, user_id="user_2"), "granite") == ["granite of a workspace"]
    assert await texts(database, replace(key, workspace_id="workspace_2"), "granite") == []
    assert await texts(database, stranger, "granite") == ["granite of strangers"]
    with pytest.raises(ApiError, match="not for inference"):
        await texts(database, replace(key, scopes=frozenset({"files"})), "granite")


async def test_pages_follow_each_other(database: Database, conversations: Conversations, person: Principal) -> None:
    await store(conversations, person, *(message(f"marble {number}") for number in range(5)))
    pages = [await search(database, person, "marble", offset=offset, limit=2) for offset in (0, 2, 4)]
    assert [has_more for _, has_more in pages] == [True, True, False]
    found = [hit.snippet.text for hits, _ in pages for hit in hits]
    assert found == [f"marble {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    "query",
    [
        '"quoted slate',
        "slate NEAR(slate, 2)",
        "organization_id : slate",
        "slate* OR ( AND NOT",
        "sla\0te slate",
        "{words} : ^slate'); DROP TABLE items; --",
        "slate & !slate | <-> 'slate':*",
        "\\slate\\",
    ],
)
async def test_signs_in_a_query_have_no_meaning(
    database: Database, conversations: Conversations, person: Principal, query: str
) -> None:
    await store(conversations, person, message("slate near"))
    with_signs = await texts(database, person, query)
    assert with_signs in ([], ["slate near"])
    assert await texts(database, person, "slate") == ["slate near"]


async def test_a_query_without_words_or_too_long_is_refused(database: Database, person: Principal) -> None:
    with pytest.raises(ApiError, match="no word to search for"):
        await texts(database, person, '"* ()')
    with pytest.raises(ApiError, match="501 characters"):
        await texts(database, person, "x" * (MOST_QUERY_CHARACTERS + 1))


async def test_a_very_long_message_of_rare_words_is_stored_and_found_by_its_beginning(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    text = " ".join(f"字词{number:x}é" for number in range(60_000))
    await store(conversations, person, message(f"obsidian {text}"), message("x" * 200_000 + " obsidian"))
    hits, _ = await search(database, person, "obsidian", limit=5)
    assert [hit.snippet.text[:8] for hit in hits] == ["obsidian"]


async def test_a_run_s_words_are_not_kept_if_its_item_is_refused(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    id_ = await store(conversations, person, message("gneiss"))
    with pytest.raises(DBAPIError):
        await conversations.create(person, NewConversation(id=id_, visibility="user"), [message("gneiss twice")])
    assert await texts(database, person, "gneiss") == ["gneiss"]
