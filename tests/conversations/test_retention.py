"""How long conversations are kept, by the organization's rule and by each conversation's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from aquilon.conversations import administration
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.items import MessageItem, Text
from aquilon.conversations.retention import DAY
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.search import search
from aquilon.errors import ApiError
from aquilon.people.administration import workspaces
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.storage import Database

ITEM = MessageItem("user", (Text("amber"),))


async def begin(conversations: Conversations, principal: Principal) -> str:
    new = NewConversation(id=new_id("conv"), visibility="user")
    return (await conversations.create(principal, new, [ITEM])).id


async def days_left(conversations: Conversations, principal: Principal, id_: str) -> int | None:
    conversation = await conversations.get(principal, id_)
    return None if conversation.expires_at is None else (conversation.expires_at - conversation.updated_at) // DAY


async def age(database: Database, id_: str, days: int) -> None:
    """Let a conversation have been stored so many days ago."""
    older = (
        "UPDATE conversations SET updated_at = updated_at - :seconds, expires_at = expires_at - :seconds WHERE id = :id"
    )
    async with database.writing() as session:
        await session.execute(text(older), {"seconds": days * DAY, "id": id_})


async def test_the_organization_s_rule_holds_for_present_and_later_conversations(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    before = await begin(conversations, person)
    assert await days_left(conversations, person, before) is None
    await administration.set_retention(database, person, 30)
    after = await begin(conversations, person)
    assert [await days_left(conversations, person, id_) for id_ in (before, after)] == [30, 30]
    await administration.set_retention(database, person, None)
    await conversations.add(person, after, [ITEM])
    assert [await days_left(conversations, person, id_) for id_ in (before, after)] == [None, None]


async def test_a_conversation_may_be_kept_shorter_than_the_organization_s_rule_never_longer(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    id_ = await begin(conversations, person)
    assert (await conversations.set_retention(person, id_, 10)).retention_days == 10
    assert await days_left(conversations, person, id_) == 10
    for rule, kept in ((30, 10), (5, 5), (None, 10)):
        await administration.set_retention(database, person, rule)
        assert await days_left(conversations, person, id_) == kept
        await conversations.add(person, id_, [ITEM])
        assert await days_left(conversations, person, id_) == kept
    await administration.set_retention(database, person, 5)
    await conversations.set_retention(person, id_, None)
    assert await days_left(conversations, person, id_) == 5


async def test_an_expired_conversation_is_unknown_before_it_is_deleted(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    old, new = await begin(conversations, person), await begin(conversations, person)
    await age(database, old, days=8)
    await administration.set_retention(database, person, 7)
    with pytest.raises(ApiError, match="There is no conversation"):
        await conversations.get(person, old)
    with pytest.raises(ApiError, match="There is no conversation"):
        await conversations.add(person, old, [ITEM])
    assert len((await search(database, person, "amber", limit=5))[0]) == 1
    assert await conversations.deletion.prune() == 1
    assert await conversations.deletion.prune() == 0
    assert (await conversations.get(person, new)).id == new


async def test_nothing_stored_hides_what_is_stored(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    id_ = await begin(conversations, person)
    await administration.set_retention(database, person, 0)
    assert await conversations.kept_days(person) == 0
    with pytest.raises(ApiError, match="There is no conversation"):
        await conversations.get(person, id_)


async def test_the_rule_is_set_by_owners_and_administrators_and_is_on_record(
    database: Database, person: Principal
) -> None:
    for principal in (replace(person, role="member"), replace(person, role="billing")):
        with pytest.raises(ApiError) as refused:
            await administration.set_retention(database, principal, 30)
        assert refused.value.status == 403
    for days in (-1, 40_000):
        with pytest.raises(ApiError, match=f"days is {days}; it must be 0 to 36500, or null"):
            await administration.set_retention(database, person, days)
    await administration.set_retention(database, replace(person, role="administrator"), 30)
    assert await administration.retention(database, person) == 30
    [entry] = [row for row in await workspaces.audit_log(database, person, limit=5) if "retention" in row.action]
    assert (entry.action, entry.detail) == ("conversations.retention_set", {"days": 30})


async def test_another_organization_s_conversations_stay_as_they_are(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    id_ = await begin(conversations, person)
    stranger = replace(person, organization_id="org_other", user_id="user_other")
    with pytest.raises(ApiError, match="There is no conversation"):
        await conversations.set_retention(stranger, id_, 1)
    assert await days_left(conversations, person, id_) is None
