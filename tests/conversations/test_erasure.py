"""What is deleted is gone from the bytes of the database's files, and from what the server remembers."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.support.homes import place_database
from tests.support.polling import until

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.conversations.items import MessageItem, Text
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.search import search
from aquilon.conversations.store.items import Place
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.settings import Settings
from aquilon.storage import Database

SECRET = "zirconium4711"
OTHER = "feldspar0815"


def message(text: str, role: str = "user") -> MessageItem:
    return MessageItem(role, (Text(text),))  # type: ignore[arg-type]


def in_files(home: Path, word: str = SECRET) -> bool:
    """Whether a word is in any file of the home, as it was written or as it is compared.

    Another process reads: if this one closed the database's file, its connections would lose their locks.
    """
    command = ["grep", "--recursive", "--quiet", "--ignore-case", "--text", "--fixed-strings", word, str(home)]
    return subprocess.run(command, check=False).returncode == 0


@pytest.fixture(params=["sqlite"])
def settings(tmp_path: Path) -> Settings:
    place_database(tmp_path)
    return Settings(home=tmp_path)


async def begin(conversations: Conversations, principal: Principal, word: str) -> str:
    new = NewConversation(
        id=new_id("conv"),
        visibility="user",
        title=f"About {word}",
        labels=f'{{"about": "{word}"}}',
        settings=f'{{"instructions": "{word}"}}',
    )
    items = [message(f"{word} {'and much else ' * size}") for size in (1, 50, 800)]
    return (await conversations.create(principal, new, items)).id


async def delete_it(conversations: Conversations, principal: Principal, id_: str) -> None:
    await conversations.deletion.delete(principal, id_)


async def let_it_expire(conversations: Conversations, principal: Principal, id_: str) -> None:
    database = conversations._database
    async with database.writing() as session:
        await session.execute(
            text("UPDATE conversations SET expires_at = :now WHERE id = :id"), {"now": int(time.time()), "id": id_}
        )
    assert await conversations.deletion.prune() == 1


@pytest.mark.parametrize("remove", [delete_it, let_it_expire])
async def test_a_deleted_conversation_is_in_no_file(
    settings: Settings,
    database: Database,
    conversations: Conversations,
    person: Principal,
    remove: Callable[[Conversations, Principal, str], Awaitable[None]],
) -> None:
    await begin(conversations, person, OTHER)
    id_ = await begin(conversations, person, SECRET)
    await begin(conversations, person, OTHER)
    assert in_files(settings.home)
    await remove(conversations, person, id_)
    await conversations.deletion.erasure.erase(asyncio.Event())
    assert not in_files(settings.home)
    assert in_files(settings.home, OTHER)
    hits, _ = await search(database, person, OTHER, limit=20)
    assert len(hits) == 8


async def test_a_deleted_item_is_in_no_file(
    settings: Settings, conversations: Conversations, person: Principal
) -> None:
    id_ = await begin(conversations, person, OTHER)
    [item] = await conversations.add(person, id_, [message(f"{SECRET} alone")])
    await conversations.add(person, id_, [message("what comes after")])
    await conversations.deletion.delete_items(person, id_, [item.id])
    await conversations.deletion.erasure.erase(asyncio.Event())
    assert not in_files(settings.home)
    assert in_files(settings.home, OTHER)


async def test_others_write_while_the_file_is_scrubbed(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    id_, done = await begin(conversations, person, OTHER), asyncio.Event()
    written = 0

    async def keep_writing() -> None:
        nonlocal written
        while not done.is_set():
            [item] = await conversations.add(person, id_, [message(f"{OTHER} {'x' * (written % 50) * 40}")])
            if written % 3 == 0:
                await conversations.deletion.delete_items(person, id_, [item.id])
            written += 1

    writing = asyncio.create_task(keep_writing())
    for _ in range(5):
        await database.scrub()
    done.set()
    await writing
    async with database.reading() as session:
        assert await session.scalar(text("PRAGMA integrity_check")) == "ok"
        assert await session.scalar(text("SELECT count(*) FROM conversation_items")) == 3 + written - (written + 2) // 3


async def test_erasing_goes_on_at_the_next_start(
    settings: Settings, database: Database, conversations: Conversations, person: Principal
) -> None:
    await begin(conversations, person, OTHER)
    await conversations.deletion.delete(person, await begin(conversations, person, SECRET))
    await database.close()
    again = await Database.open(settings)
    stop = asyncio.Event()
    erasing = asyncio.create_task(Conversations(again, Histories()).deletion.erasure.keep(stop))
    await until(lambda: not in_files(settings.home))
    stop.set()
    await erasing
    await again.close()


async def test_a_long_reader_delays_only_the_log(
    settings: Settings, database: Database, conversations: Conversations, person: Principal
) -> None:
    id_ = await begin(conversations, person, SECRET)
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM conversations")) == 1
        await conversations.deletion.delete(person, id_)
        assert not await database.empty_log()
        assert (await conversations.create(person, NewConversation(id=new_id("conv"), visibility="user"), [])).id
    await conversations.deletion.erasure.erase(asyncio.Event())
    assert not in_files(settings.home)


async def test_what_was_deleted_is_not_remembered(database: Database, person: Principal) -> None:
    histories = Histories()
    conversations = Conversations(database, histories)
    id_ = await begin(conversations, person, SECRET)
    assert (await conversations.contexts.within(person, id_)).history.items
    assert histories.bytes > 0
    await conversations.deletion.delete(person, id_)
    assert histories.bytes == 0
    histories.grow(Place.in_new(id_), [message(SECRET)], leaf_id="msg_1", more_bytes=20)  # an answer that ends now
    assert histories.bytes == 0
