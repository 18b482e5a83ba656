"""A backup holds what was there at one moment, on SQLite and on PostgreSQL, and comes back the same."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, select, text

from aquilon.platform import accounts
from aquilon.platform.jobs.files import FileDescription, Files
from aquilon.platform.storage import Database, DatabaseError, audit, idempotency, restore
from aquilon.platform.storage.backup import back_up
from aquilon.platform.storage.idempotency import KeyOwner
from aquilon.platform.storage.sealing import Sealer
from aquilon.settings import Settings


async def everything(database: Database) -> dict[str, list[Any]]:
    """Each table's rows."""
    async with database.reading() as session:
        found = MetaData()
        connection = await session.connection()
        await connection.run_sync(found.reflect)
        return {table.name: sorted(map(repr, await session.execute(select(table)))) for table in found.tables.values()}


async def fill(database: Database, settings: Settings) -> str:
    """Accounts, an audited change, a sealed answer, a file; gives the file's id."""
    await accounts.prepare_first_run(database)
    principal = await accounts.operator(database)
    whose = KeyOwner(principal.organization_id, principal.user_id, "key")
    async with database.writing() as session:
        await audit.record(session, principal, "test.done", "id", "Größe \u2028 \\x", detail={"a": [1, None, "é"]})
        await idempotency.claim(session, whose, "me", "print", now=int(time.time()), lease=9, keep=9)
        await idempotency.answer(session, whose, "me", bytes(range(256)), int(time.time()) + 9)
    files = Files(database, settings)
    file_id, part, _ = await files.begin(principal, None)
    part.add(b"content")
    await files.keep(principal, file_id, part, FileDescription("a.txt", "user_data"))
    return file_id


async def test_all_that_was_backed_up_comes_back(settings: Settings, tmp_path: Path) -> None:
    database = await Database.open(settings)
    file_id = await fill(database, settings)
    sealed = Sealer.of(settings).seal("secret")
    archive = await back_up(settings, tmp_path / "backup.tar")
    before = await everything(database)
    principal = await accounts.operator(database)
    await Files(database, settings).delete(principal, file_id)
    await accounts.create_api_key(database, "later")
    (settings.home / "secret-key").unlink()
    assert await everything(database) != before
    await database.close()
    restore.stage(settings, archive)
    await restore.complete(settings)
    again = await Database.open(settings)
    assert await everything(again) == before
    assert Sealer.of(settings).open(sealed) == "secret"
    files = Files(again, settings)
    assert files.content(await files.get(principal, file_id)).read_bytes() == b"content"
    async with again.writing() as session:  # numbers go on where they were
        await audit.record(session, principal, "test.again", "id", "name")
    with pytest.raises(Exception, match="append-only"):
        async with again.writing() as session:
            await session.execute(text("DELETE FROM audit_log"))
    await again.close()


async def test_a_backup_under_load_is_of_one_moment(settings: Settings, tmp_path: Path) -> None:
    database = await Database.open(settings)
    await accounts.prepare_first_run(database)
    files, principal = Files(database, settings), await accounts.operator(database)
    done = asyncio.Event()

    async def load() -> None:
        kept: list[str] = []
        while not done.is_set():
            file_id, part, _ = await files.begin(principal, None)
            part.add(file_id.encode())
            await files.keep(principal, file_id, part, FileDescription("a.txt", "user_data"))
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
        found = await everything(restored)
        stored = {path.name for path in settings.uploads_folder.rglob("file_*")}
        rows = re.findall(r"\('id', '(\w+)'\)", "".join(found["files"]))
        assert set(rows) <= stored
        assert len(rows) <= 6
        await restored.close()


async def test_a_home_on_sqlite_moves_to_postgresql(
    settings: Settings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if settings.database_url is None:
        pytest.skip("it is the way to PostgreSQL")
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
    assert (await Files(moved, settings).get(await accounts.operator(moved), file_id)).bytes == len(b"content")
    await moved.close()
    with pytest.raises(DatabaseError, match="is of a PostgreSQL database"):
        restore.stage(former, await back_up(settings, tmp_path / "other.tar"))
