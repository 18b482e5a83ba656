"""When a link shows something, by the clock and by those who allow it."""

from __future__ import annotations

import pytest
from tests.support.stored_runs import message

from aquilon.chat import shares as shares_module
from aquilon.chat.shares import READS_A_MINUTE, Shares
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.rows import NewConversation
from aquilon.errors import ApiError
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.storage import Database


async def test_an_address_opens_so_many_links_a_minute_and_no_more(
    database: Database, conversations: Conversations
) -> None:
    shares = Shares(database, conversations, allowed=True)
    statuses = []
    for number in range(READS_A_MINUTE + 1):
        with pytest.raises(ApiError) as raised:
            await shares.open("guess", address=f"2001:db8::{number:x}")
        statuses.append(raised.value.status)
    assert statuses == [404] * READS_A_MINUTE + [429]
    with pytest.raises(ApiError) as raised:
        await shares.open("guess", address="192.0.2.1")
    assert raised.value.status == 404


async def test_an_operator_switches_sharing_off_for_all(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    new = NewConversation(id=new_id("conv"), visibility="user", implicit=False)
    await conversations.create(person, new, [message("First")])
    token = (await Shares(database, conversations, allowed=True).create(person, new.id)).token
    off = Shares(database, conversations, allowed=False)
    with pytest.raises(ApiError) as refused:
        await off.create(person, new.id)
    with pytest.raises(ApiError) as closed:
        await off.open(token, address="192.0.2.1")
    assert (refused.value.code, closed.value.status) == ("sharing_off", 404)


async def test_an_expired_share_is_unreadable_at_once_and_deleted_by_pruning(
    database: Database, conversations: Conversations, person: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:

    new = NewConversation(id=new_id("conv"), visibility="user", implicit=False)
    await conversations.create(person, new, [message("First")])
    shares = Shares(database, conversations, allowed=True)
    token = (await shares.create(person, new.id, days=1)).token
    assert (await shares.open(token, address="192.0.2.1")).messages[0].text == "First"
    assert await shares.prune() == 0
    later = shares_module.time.time() + 86_401
    monkeypatch.setattr(shares_module.time, "time", lambda: later)
    with pytest.raises(ApiError):
        await shares.open(token, address="192.0.2.1")
    assert await shares.prune() == 1
    assert (await shares.own(person, limit=10))[0] == []
