"""A backup has the data of one moment, on SQLite and PostgreSQL, and a restore brings the same data back."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, insert, select, text

from aquilon.api import idempotency_store as idempotency
from aquilon.api.idempotency_store import OwnedKey
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.conversations.items import MessageItem, Text
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.search import search
from aquilon.jobs.files import FileDescription, Files
from aquilon.people import first_run
from aquilon.people.store import audit
from aquilon.people.tables import Organization
from aquilon.settings import Settings
from aquilon.storage import Database, DatabaseError, restore
from aquilon.storage.backup import back_up
from aquilon.storage.sealing import Sealer
from aquilon.storage.upgrade import table_names


async def everything(database: Database) -> dict[str, list[Any]]:
    """The rows of each table; not SQLite's index over them."""
    async with database.reading() as session:
        metadata = MetaData()
        connection = await session.connection()
        await connection.run_sync(lambda reading: metadata.reflect(reading, only=sorted(table_names())))
        return {
            table.name: sorted(map(repr, await session.execute(select(table)))) for table in metadata.tables.values()
        }


async def fill(database: Database, settings: Settings) -> str:
    """Create accounts, an audit entry, a stored answer, a conversation and a file; return the file's id."""
    await first_run.prepare_first_run(database)
    principal = await first_run.operator(database)
    owned_key = OwnedKey(principal.organization_id, principal.user_id, "key")
    async with database.writing() as session:
        await audit.record(
            session,
            principal,
            "test.done",
            object_id="id",
            object_name="Größe \u2028 \\x",
            detail={"a": [1, None, "é"]},
        )
        await idempotency.claim(session, owned_key, "me", fingerprint="print", now=int(time.time()), lease=9, keep=9)
        await idempotency.answer(session, owned_key, "me", sealed=bytes(range(256)), expires_at=int(time.time()) + 9)
    conversation = NewConversation(id="conv_1", visibility="workspace", title="Größe")
    await Conversations(database, Histories()).create(principal, conversation, [MessageItem("user", (Text("école"),))])
    files = Files(database, settings)
    file_id, part, _ = await files.begin(principal, None)
    part.add(b"content")
    await files.keep(principal, file_id, part, description=FileDescription(name="a.txt", purpose="user_data"))
    return file_id


async def found(database: Database) -> int:
    """How many messages and titles of `fill` are found by their words."""
    principal = await first_run.operator(database)
    hits = [await search(database, principal, query, limit=5) for query in ("ecole", "grosse")]
    return sum(len(page) for page, _ in hits)


async def test_a_restore_brings_back_everything_that_was_backed_up(settings: Settings, tmp_path: Path) -> None:
    database = await Database.open(settings)
    file_id = await fill(database, settings)
    sealed = Sealer.of(settings).seal("secret")
    archive = await back_up(settings, tmp_path / "backup.tar")
    before = await everything(database)
    principal = await first_run.operator(database)
    await Files(database, settings).delete(principal, file_id)
    await first_run.create_api_key(database, "later")
    (settings.home / "secret-key").unlink()
    assert await everything(database) != before
    await database.close()
    restore.stage(settings, archive)
    await restore.complete(settings)
    again = await Database.open(settings)
    assert await everything(again) == before
    assert await found(again) == 2
    assert Sealer.of(settings).open(sealed) == "secret"
    files = Files(again, settings)
    assert files.content(await files.get(principal, file_id)).read_bytes() == b"content"
    async with again.writing() as session:  # the sequence of ids goes on
        await audit.record(session, principal, "test.again", object_id="id", object_name="name")
    with pytest.raises(Exception, match="append-only"):
        async with again.writing() as session:
            await session.execute(text("DELETE FROM audit_log"))
    await again.close()


@pytest.mark.slow
async def test_a_backup_under_load_has_the_data_of_one_moment(settings: Settings, tmp_path: Path) -> None:
    database = await Database.open(settings)
    await first_run.prepare_first_run(database)
    files, principal = Files(database, settings), await first_run.operator(database)
    done = asyncio.Event()

    async def load() -> None:
        kept: list[str] = []
        while not done.is_set():
            file_id, part, _ = await files.begin(principal, None)
            part.add(file_id.encode())
            await files.keep(principal, file_id, part, description=FileDescription(name="a.txt", purpose="user_data"))
            kept.append(file_id)
            if len(kept) > 5:
                await files.delete(principal, kept.pop(0))

    loading = asyncio.create_task(load())
    archives = [await back_up(settings, tmp_path / f"{number}.tar") for number in range(2)]
    done.set()
    await loading
    await database.close()
    for archive in archives[1:]:
        restore.stage(settings, archive)
        await restore.complete(settings)
        restored = await Database.open(settings)
        tables = await everything(restored)
        stored = {path.name for path in settings.uploads_folder.rglob("file_*")}
        rows = re.findall(r"\('id', '(\w+)'\)", "".join(tables["files"]))
        assert set(rows) <= stored
        assert len(rows) <= 6
        await restored.close()


@pytest.mark.slow
async def test_a_home_on_sqlite_moves_to_postgresql(
    settings: Settings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if settings.database_url is None:
        pytest.skip("it moves data to PostgreSQL")
    former = Settings(home=tmp_path_factory.mktemp("former"))
    database = await Database.open(former)
    file_id = await fill(database, former)
    before = await everything(database)
    archive = await back_up(former, tmp_path / "backup.tar")
    await database.close()
    restore.stage(settings, archive)
    await restore.complete(settings)
    moved = await Database.open(settings)
    assert await everything(moved) == before
    assert await found(moved) == 2
    assert (await Files(moved, settings).get(await first_run.operator(moved), file_id)).bytes == len(b"content")
    await moved.close()
    with pytest.raises(DatabaseError, match="is of a PostgreSQL database"):
        restore.stage(former, await back_up(settings, tmp_path / "other.tar"))


def killed_after(steps: int, work: Callable[[], None]) -> bool:
    """Run ``work`` in a child process and kill it at its file operation number ``steps``; False if it ended before."""
    child = os.fork()
    if child == 0:
        operations = count(1)

        def kill(event: str, _: Any) -> None:
            is_operation = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "shutil.rmtree")
            if is_operation and next(operations) == steps:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.slow
def test_a_restore_that_is_killed_anywhere_loses_nothing(tmp_path: Path) -> None:
    """Neither the backed-up data nor the former data."""
    former = Settings(home=tmp_path / "former")
    store(former, "backed up")
    archive = asyncio.run(back_up(former, tmp_path / "backup.tar"))
    was_there, step, killed = tmp_path / "was-there", 0, True
    store(Settings(home=was_there), "was there")
    while killed:
        settings = Settings(home=tmp_path / f"home-{step}")
        shutil.copytree(was_there, settings.home)
        restore.stage(settings, archive)
        step += 1
        killed = killed_after(step, lambda at=settings: asyncio.run(restore.complete(at)))  # type: ignore[misc]
        asyncio.run(restore.complete(settings))  # as a start does
        [before] = (settings.home / "backups").iterdir()
        assert (stored(settings.home), stored(before)) == ("backed up", "was there"), step
        shutil.rmtree(settings.home)
    assert step > 10


def test_a_restore_that_is_killed_before_it_was_checked_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    store(settings, "was there")
    archive = asyncio.run(back_up(settings, tmp_path / "backup.tar"))
    for step in (1, 5, 10, 20):
        killed_after(step, lambda: restore.stage(settings, archive))
        asyncio.run(restore.complete(settings))
        assert stored(settings.home) == "was there"


def store(settings: Settings, text: str) -> None:
    """A home with ``text`` in every part: database, two organizations' files and key."""

    async def make() -> None:
        settings.home.mkdir()
        database = await Database.open(settings)
        async with database.writing() as session:
            await session.execute(insert(Organization), [{"id": "org_1", "name": text, "created_at": 1}])
        await database.close()

    asyncio.run(make())
    for name in ("org_1", "org_2"):
        (settings.home / "files" / name).mkdir(parents=True)
        (settings.home / "files" / name / f"file_{text.replace(' ', '_')}").write_text(text)
    (settings.home / "secret-key").write_text(text)


def stored(home: Path) -> str:
    """The text that every part of a home has."""
    with closing(sqlite3.connect(home / "aquilon.db")) as database:
        texts = [row[0] for row in database.execute("SELECT name FROM organizations")]
    texts += [path.read_text() for path in [*(home / "files").rglob("file_*"), home / "secret-key"]]
    assert len(texts) == 4
    assert len(set(texts)) == 1, texts
    return str(texts[0])


async def test_files_on_another_disk_are_restored_where_it_is_mounted(tmp_path: Path, monkeypatch: Any) -> None:
    """The folder itself can't be renamed, and nothing can be renamed from one disk to the other."""
    settings = Settings.model_validate({"home": tmp_path / "home", "files_folder": tmp_path / "disk"})
    settings.uploads_folder.mkdir()
    database = await Database.open(settings)
    file_id = await fill(database, settings)
    await database.close()
    archive = await back_up(settings, tmp_path / "backup.tar")
    [content] = settings.uploads_folder.rglob(file_id)
    content.write_text("later")
    rename = Path.rename

    def on_one_disk(path: Path, target: Path) -> Path:
        if path == settings.uploads_folder:
            raise OSError(errno.EBUSY, "")
        if path.is_relative_to(settings.uploads_folder) != target.is_relative_to(settings.uploads_folder):
            raise OSError(errno.EXDEV, "")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", on_one_disk)
    restore.stage(settings, archive)
    await restore.complete(settings)
    assert content.read_bytes() == b"content"
    [kept] = (settings.home / "backups").rglob(file_id)
    assert kept.read_text() == "later"


@pytest.mark.slow
async def test_rows_that_postgresql_refuses_are_given_up_and_change_nothing(
    settings: Settings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite stores a NUL in a text, PostgreSQL refuses it; the server must still be able to start."""
    if settings.database_url is None:
        pytest.skip("it moves data to PostgreSQL")
    database = await Database.open(settings)
    await fill(database, settings)
    before = await everything(database)
    await database.close()
    former = Settings(home=tmp_path_factory.mktemp("former"))
    other = await Database.open(former)
    async with other.writing() as session:
        await session.execute(insert(Organization), [{"id": "org_1", "name": "a\0b", "created_at": 1}])
    await other.close()
    restore.stage(settings, await back_up(former, tmp_path / "backup.tar"))
    with pytest.raises(DatabaseError, match="nothing has changed"):
        await restore.complete(settings)
    await restore.complete(settings)
    again = await Database.open(settings)
    assert await everything(again) == before
    await again.close()


@pytest.mark.slow
async def test_a_staged_backup_for_the_other_kind_of_database_is_not_lost(settings: Settings, tmp_path: Path) -> None:
    database = await Database.open(settings)
    await fill(database, settings)
    await database.close()
    restore.stage(settings, await back_up(settings, tmp_path / "backup.tar"))
    other = "postgresql://aquilon@127.0.0.1:1/none" if settings.database_url is None else None
    with pytest.raises(DatabaseError, match="AQUILON_DATABASE_URL as it was"):
        await restore.complete(settings.model_copy(update={"database_url": other}))
    await restore.complete(settings)
    assert not restore.is_staged(settings)
