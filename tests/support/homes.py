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

_EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;  -- neither triggers nor foreign keys
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$;
SELECT setval(format('%I', sequencename)::regclass, start_value, false) FROM pg_sequences WHERE schemaname = 'public';
"""
"""Ends a database's other connections, deletes all rows and starts numbers anew."""
_SCHEMA = """
SELECT string_agg(concat_ws(' ', table_name, column_name, data_type), ', ' ORDER BY table_name, column_name)
       || (SELECT version_num FROM alembic_version)
  FROM information_schema.columns WHERE table_schema = 'public'
"""
"""Tells whether a test has changed more than rows."""


@cache
def _migrated_sqlite() -> bytes:
    """A database without a row, as the whole history of migrations leaves it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "aquilon.db"
        engine = create_engine(f"sqlite:///{file}")
        with engine.connect() as connection:
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
    """The address of a database on the server whose socket is in ``folder``: empty, or of this version's schema.

    One of this version's schema is emptied in the end, for the next test: the server takes half a second to create
    one. Others are dropped: a folder with a few hundred of them takes long to remove.
    """

    def address(database: str) -> str:
        return f"postgresql+asyncpg://aquilon@/{database}?host={folder}"

    unused = _unused_databases(folder)
    if migrated and unused:
        name, schema = unused.popitem()
    else:
        name = f"test_{uuid.uuid4().hex}"
        async with _connected(folder, "postgres") as server:
            await server.execute(f"CREATE DATABASE {name}")
        if migrated:
            with tempfile.TemporaryDirectory() as home:
                database = await Database.open(Settings(home=Path(home), database_url=address(name)))
                await database.close()
            async with _connected(folder, name) as connection:
                schema = await connection.fetchval(_SCHEMA)
    yield address(name)
    if migrated:
        async with _connected(folder, name) as connection:
            if await connection.fetchval(_SCHEMA) == schema:
                await connection.execute(_EMPTY)
                unused[name] = schema
                return
    async with _connected(folder, "postgres") as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@cache
def _unused_databases(folder: str) -> dict[str, str]:
    """Those without a row, of this version's schema, which is here too."""
    return {}


@asynccontextmanager
async def _connected(folder: str, database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(host=folder, user="aquilon", database=database)
    try:
        yield connection
    finally:
        await connection.close()
