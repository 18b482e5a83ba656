"""One database: opened, brought to this version's schema, and lent out in short transactions."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from aquilon.settings import Settings
from aquilon.storage.change_news import TELL, ChangeNews
from aquilon.storage.changes import Changes, WatchedSession
from aquilon.storage.group_commit import GroupCommit
from aquilon.storage.upgrade import DatabaseError, upgrade

T = TypeVar("T")

_BUSY_SECONDS = 10
_CONNECT_SECONDS = 5
"""A server that doesn't answer in this time can't be used now."""
_WAIT_SECONDS = 10
"""For a connection, where all are lent out."""
_CONNECTIONS, _MORE_CONNECTIONS = 8, 16
"""To PostgreSQL: kept open, and beside them for a rush."""
_ALONE_LOCK = 0x616C6F6E  # "alon"


class Database:
    """The organization's data. ``await Database.open(settings)``, and ``await close()`` in the end."""

    def __init__(self, engine: AsyncEngine, name: str, changes: Changes) -> None:
        self._engine = engine
        self._group_commit = None
        if engine.dialect.name == "sqlite":
            self._group_commit = GroupCommit(engine, WatchedSession, lambda: _connect_sqlite(name))
        self.name = name
        """The file or server it is in, for messages."""
        self._writers: set[asyncio.Task[Any] | None] = set()
        self._news = ChangeNews(engine, changes) if self._group_commit is None else None
        self.changes = changes

    @property
    def is_shared(self) -> bool:
        """Whether processes on other machines may write to it."""
        return self._group_commit is None

    @classmethod
    async def open(cls, settings: Settings) -> Database:
        """Create the database or bring it to this version's schema.

        Raises DatabaseError where it is damaged, unreachable, or was written by a newer Aquilon.
        """
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        url = make_url(settings.database_url or f"sqlite+aiosqlite:///{settings.home / 'aquilon.db'}")
        backend = url.get_backend_name()
        if backend == "sqlite":
            name = url.database or ":memory:"
            url = url.set(drivername="sqlite+aiosqlite")
            engine = create_async_engine(url, connect_args={"timeout": _BUSY_SECONDS})
            event.listen(engine.sync_engine, "connect", _configure_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
        else:
            name = url.render_as_string(hide_password=True)
            engine = create_async_engine(
                url.set(drivername="postgresql+asyncpg"),
                pool_pre_ping=True,
                pool_size=_CONNECTIONS,
                max_overflow=_MORE_CONNECTIONS,
                pool_timeout=2 * _WAIT_SECONDS,  # `_connect` gives up before
                connect_args={"timeout": _CONNECT_SECONDS},
            )
        marker = Path(f"{name}-changes") if backend == "sqlite" and name != ":memory:" else settings.home / "changes"
        database = cls(engine, name, Changes(marker))
        try:
            await database._migrate()
        except (DBAPIError, OSError) as error:
            await engine.dispose()
            problem = error.orig if isinstance(error, DBAPIError) else error
            raise DatabaseError(f"The database {name} can't be used: {problem}") from error
        except DatabaseError:
            await engine.dispose()
            raise
        if backend == "sqlite" and name != ":memory:":
            os.chmod(name, 0o600)
        return database

    async def close(self) -> None:
        if self._news is not None:
            await self._news.stop()
        if self._group_commit is not None:
            self._group_commit.close()
        await self._engine.dispose()

    @property
    def writes_at_once(self) -> bool:
        """Whether there is ``at_once``: SQLite in a file."""
        return self._group_commit is not None and self.name != ":memory:"

    async def at_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """A transaction of one call on SQLite's own connection, as `GroupCommit.at_once` says. Raises sqlite3.Error."""
        assert self._group_commit is not None
        return await self._group_commit.at_once(work)

    def listen(self) -> None:
        """Hear at once of what other processes change: what is remembered need not be read again every few seconds."""
        if self._news is not None:
            self._news.start()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that sees one state of the data and changes nothing."""
        connection = await self._connect()
        try:
            async with AsyncSession(connection, expire_on_commit=False) as session:
                yield session
        finally:
            await connection.close()

    @asynccontextmanager
    async def writing(self, *, alone: bool = False) -> AsyncIterator[AsyncSession]:
        """A transaction that may change data: committed at the end, undone by an exception.

        On SQLite it is alone among writers, and shares its commit with those that
        wait for it: `storage.group_commit`. On PostgreSQL only with ``alone``, which
        is for what reads before it decides; the rest are statements that hold their
        own condition. Raises RuntimeError inside another one of the same task, which
        would wait for itself; DBAPIError where the database can't be written.
        """
        task = asyncio.current_task()
        if task in self._writers:
            raise RuntimeError(
                "A transaction that writes was begun inside another one of the same task: use the outer one's session"
            )
        self._writers.add(task)
        if self._group_commit is not None:
            lent = self._group_commit.session()
        else:
            lent = self._shared_session(alone=alone)
        changed = False
        try:
            async with lent as session:
                yield session
                await session.flush()
                changed = cast(WatchedSession, session.sync_session).changed
        finally:
            self._writers.discard(task)
            if changed:
                self.changes.note()

    @asynccontextmanager
    async def _shared_session(self, *, alone: bool) -> AsyncIterator[AsyncSession]:
        connection = await self._connect()
        try:
            async with AsyncSession(connection, sync_session_class=WatchedSession, expire_on_commit=False) as session:
                if alone:
                    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ALONE_LOCK})
                yield session
                await session.flush()
                if cast(WatchedSession, session.sync_session).changed:
                    await session.execute(TELL)
                await session.commit()
        except ConnectionError as error:
            raise OperationalError("", None, error) from error
        finally:
            await connection.close()

    async def _connect(self) -> AsyncConnection:
        """Raises DBAPIError, whatever a server that is away or still starts makes the driver raise."""
        connection = self._engine.connect()
        if self._group_commit is not None:
            return await connection.start()
        import asyncpg

        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                return await connection.start()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise OperationalError("", None, error) from error

    async def _migrate(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execution_options(aquilon_writes=True)
            if connection.dialect.name == "sqlite":  # a table that is made anew must not take what refers to it along
                await _set_foreign_keys(connection, "OFF")
            async with connection.begin():
                await connection.run_sync(upgrade, self.name)
            if connection.dialect.name == "sqlite":
                await _set_foreign_keys(connection, "ON")


async def _set_foreign_keys(connection: AsyncConnection, state: str) -> None:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.execute(f"PRAGMA foreign_keys = {state}")  # has no effect inside a transaction


def _connect_sqlite(file: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_BUSY_SECONDS, check_same_thread=False)
    _configure_sqlite(connection, None)
    return connection


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
