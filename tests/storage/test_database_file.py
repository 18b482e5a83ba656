"""A SQLite file that is removed, replaced or readable by others."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from aquilon.people import first_run
from aquilon.people.store import accounts
from aquilon.settings import Settings
from aquilon.storage import Database, DatabaseError


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(Settings(home=tmp_path))
    await first_run.prepare_first_run(opened)
    yield opened
    await opened.close()


async def use(database: Database) -> None:
    async with database.reading() as session:
        assert await accounts.list_organizations(session)
    async with database.writing() as session:
        await session.execute(text("UPDATE users SET name = name"))
    await database.at_once(lambda connection: connection.execute("UPDATE users SET name = name"))


async def refuses(database: Database, reason: str) -> None:
    with pytest.raises(OperationalError, match=reason):
        async with database.reading():
            pass
    with pytest.raises(OperationalError, match=reason):
        async with database.writing():
            pass
    with pytest.raises(OperationalError, match=reason):
        await database.at_once(lambda connection: None)


async def test_a_moved_file_is_noticed_at_once_and_used_again_when_it_is_back(database: Database) -> None:
    await use(database)
    file = database.name
    os.rename(file, f"{file}.away")
    assert "was removed or moved away" in database.problem()
    await refuses(database, "was removed or moved away")
    os.rename(f"{file}.away", file)
    assert not database.problem()
    await use(database)


async def test_a_file_that_replaces_the_database_is_refused(database: Database) -> None:
    shutil.copy(database.name, f"{database.name}.other")
    os.replace(f"{database.name}.other", database.name)
    await refuses(database, "was replaced by another file")


async def test_a_moved_home_is_noticed(database: Database, tmp_path: Path) -> None:
    os.rename(tmp_path, f"{tmp_path}-gone")
    await refuses(database, "was removed or moved away")
    os.rename(f"{tmp_path}-gone", tmp_path)


async def test_a_marker_of_changes_that_was_removed_is_found_again(database: Database, tmp_path: Path) -> None:
    then = database.changes.now()
    database.changes.find_marker_again()
    assert database.changes.none_since(then, unheard=0)
    os.unlink(f"{database.name}-changes")
    other = await Database.open(Settings(home=tmp_path))
    database.changes.find_marker_again()
    assert not database.changes.none_since(then, unheard=0)
    then = database.changes.now()
    await first_run.create_api_key(other, "made by another process")
    assert not database.changes.none_since(then, unheard=0)
    await other.close()


def files(home: Path) -> list[Path]:
    return list(home.glob("aquilon.db*"))


async def test_sqlite_s_files_are_private_also_in_an_older_home(tmp_path: Path) -> None:
    earlier = sqlite3.connect(tmp_path / "aquilon.db")
    earlier.execute("PRAGMA journal_mode = WAL")
    earlier.execute("CREATE TABLE one (id)")
    for path in files(tmp_path):
        os.chmod(path, 0o644)
    for home in (tmp_path, tmp_path / "new"):
        database = await Database.open(Settings(home=home))
        await first_run.prepare_first_run(database)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files(home)}
        assert modes == dict.fromkeys(("aquilon.db", "aquilon.db-wal", "aquilon.db-shm", "aquilon.db-changes"), 0o600)
        await database.close()
    earlier.close()


async def opened_and_closed(home: Path) -> None:
    await (await Database.open(Settings(home=home))).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_file_that_this_user_may_not_write_is_refused_at_the_start() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        asyncio.run(opened_and_closed(Path(folder)))
        for path in Path(folder).iterdir():
            path.chmod(0o644 if path.suffix == ".db" else 0o666)
        os.seteuid(65534)
        try:
            with pytest.raises(DatabaseError, match=r"this user \(65534\) may not write to it: chown it"):
                asyncio.run(opened_and_closed(Path(folder)))
        finally:
            os.seteuid(0)
