"""Homes as a first start leaves them, without a start. The schema is copied: migrations take a quarter second."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import asyncpg
from sqlalchemy import create_engine

from aquilon.people.first_run import FirstRun, prepare_first_run
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.upgrade import upgrade

ORGANIZATION = "Example House"
"""What the servers of tests call the organization that runs them."""

_TEMPLATE = "migrated"


@cache
def _migrated_sqlite() -> bytes:
    """A database without a row, as the whole history of migrations leaves it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "aquilon.db"
        engine = create_engine(f"sqlite:///{file}")
        with engine.begin() as connection:
            upgrade(connection, str(file))
        engine.dispose()
        return file.read_bytes()


def place_database(home: Path) -> None:
    """Give a home without a database an empty one of this version's schema, in SQLite."""
    file = home / "aquilon.db"
    if not file.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(_migrated_sqlite())


def begin_home(home: Path) -> FirstRun:
    """The same after the first start: with the first organization, its owner and a key."""
    place_database(home)

    async def begin() -> FirstRun:
        database = await Database.open(Settings(home=home))
        try:
            first = await prepare_first_run(database, ORGANIZATION)
        finally:
            await database.close()
        assert first is not None, f"{home} was begun before"
        return first

    return asyncio.run(begin())


@asynccontextmanager
async def postgresql_database(folder: str, *, migrated: bool) -> AsyncIterator[str]:
    """The address of a new database on the server whose socket is in ``folder``: empty, or of this version's schema.

    Dropped in the end: a folder with a few hundred of them takes long to remove.
    """

    def address(database: str) -> str:
        return f"postgresql+asyncpg://aquilon@/{database}?host={folder}"

    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(host=folder, user="aquilon", database="postgres")
    try:
        if migrated:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _TEMPLATE):
                await connection.execute(f"CREATE DATABASE {_TEMPLATE}")
                with tempfile.TemporaryDirectory() as home:
                    template = await Database.open(Settings(home=Path(home), database_url=address(_TEMPLATE)))
                    await template.close()
            quickly = "STRATEGY file_copy" if connection.get_server_version().major >= 15 else ""
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} {quickly}")
        else:
            await connection.execute(f"CREATE DATABASE {name}")
        yield address(name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()
