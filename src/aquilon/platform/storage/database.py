"""One database: opened, brought to this version's schema, and lent out in short transactions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from aquilon.platform.storage.migrations import REVISIONS
from aquilon.settings import Settings

_BUSY_SECONDS = 10


class DatabaseError(RuntimeError):
    """The database can't be used; the message says which one, why, and what would help."""


class Database:
    """The organization's data. ``await Database.open(settings)``, and ``await close()`` in the end."""

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        self._engine = engine
        self.name = name
        """The file or server it is in, for messages."""

    @classmethod
    async def open(cls, settings: Settings) -> Database:
        """Create the database or bring it to this version's schema.

        Raises DatabaseError where it is damaged, unreachable, or was written by a newer Aquilon.
        """
        if settings.database_url is None:
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        url = make_url(settings.database_url or f"sqlite+aiosqlite:///{settings.home / 'aquilon.db'}")
        if url.get_backend_name() != "sqlite":
            raise DatabaseError(
                f"AQUILON_DATABASE_URL is for '{url.get_backend_name()}'; this version speaks SQLite only"
            )
        name = url.database or ":memory:"
        engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), connect_args={"timeout": _BUSY_SECONDS})
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        database = cls(engine, name)
        try:
            await database._migrate()
        except DBAPIError as error:
            await engine.dispose()
            raise DatabaseError(f"The database {name} can't be used: {error.orig}") from error
        except DatabaseError:
            await engine.dispose()
            raise
        if name != ":memory:":
            os.chmod(name, 0o600)
        return database

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that sees one state of the data and changes nothing."""
        async with self._engine.connect() as connection, AsyncSession(connection, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A transaction that may change data: alone among writers, committed at the end, undone by an exception."""
        async with self._engine.connect() as connection:
            await connection.execution_options(aquilon_writes=True)
            async with AsyncSession(connection, expire_on_commit=False) as session:
                yield session
                await session.commit()

    async def _migrate(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execution_options(aquilon_writes=True)
            async with connection.begin():
                await connection.run_sync(_upgrade, self.name)


def _upgrade(connection: Connection, name: str) -> None:
    """Run the missing migrations, all or none; the write lock keeps a second process waiting meanwhile."""
    current = None
    if inspect(connection).has_table("alembic_version"):
        current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if current == REVISIONS[-1]:
        return
    if current is not None and current not in REVISIONS:
        raise DatabaseError(
            f"The database {name} has schema {current}, written by a newer Aquilon; this version knows up to "
            f"{REVISIONS[-1]}. Start the newer version, or use another --home."
        )
    from alembic import command  # only on a first start or an upgrade: 10 MB that the server then needn't hold
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says so, not where sqlite3 guesses
    cursor = connection.cursor()
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
            cursor.execute(f"PRAGMA {pragma}")
    except sqlite3.DatabaseError:
        cursor.close()
        raise
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("aquilon_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
