"""The database: opened, migrated to this version's schema, and used in short transactions."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from aquilon.settings import Settings
from aquilon.storage import scrub
from aquilon.storage.change_news import NOTIFY, ChangeNews
from aquilon.storage.changes import Changes, WatchedSession
from aquilon.storage.database_file import OpenFile, make_private
from aquilon.storage.group_commit import GroupCommit
from aquilon.storage.unwritable import is_disk_full
from aquilon.storage.upgrade import DatabaseError, keep_copy, upgrade

T = TypeVar("T")

_BUSY_SECONDS = 10
_PRAGMA_TRIES, _PRAGMA_PAUSE_SECONDS = 50, 0.02
_LOG_BUSY_MILLISECONDS = 50
"""How long to wait for readers before the log is emptied another time; writers wait meanwhile."""
_CONNECT_SECONDS = 5
"""How long to wait for the server to answer."""
_WAIT_SECONDS = 10
"""How long to wait for a connection when all are in use."""
_CONNECTIONS, _MORE_CONNECTIONS = 8, 16
"""Connections to PostgreSQL that stay open, and more for peaks."""
_ALONE_LOCK = 0x616C6F6E  # "alon"
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "secure_delete = ON",
)
"""What each connection to SQLite begins with. ``secure_delete``: deleted rows are overwritten with zeros."""


class Database:
    """The server's data. Create it with ``await Database.open(settings)`` and end with ``await close()``."""

    def __init__(self, engine: AsyncEngine, name: str, changes: Changes) -> None:
        self._engine = engine
        self._group_commit = None
        if engine.dialect.name == "sqlite":
            self._group_commit = GroupCommit(engine, WatchedSession, lambda: _connect_sqlite(name))
        self.name = name
        """The file, or the server's URL without password, for messages."""
        self._file: OpenFile | None = None
        """Set once it is open, if the database is a file."""
        self._writers: set[asyncio.Task[Any] | None] = set()
        self._news = ChangeNews(engine, changes) if self._group_commit is None else None
        self.changes = changes

    @property
    def is_shared(self) -> bool:
        """Whether processes on other machines may write to it."""
        return self._group_commit is None

    @classmethod
    async def open(cls, settings: Settings, *, create: bool = True) -> Database:
        """Create the database, unless ``create`` is False, or bring it to this version's schema.

        Raises DatabaseError if the database is damaged, unreachable, written by a newer
        Aquilon, or missing while ``create`` is False.
        """
        url = make_url(settings.database_url or f"sqlite+aiosqlite:///{settings.home / 'aquilon.db'}")
        backend = url.get_backend_name()
        if not create and backend == "sqlite":
            _refuse_to_create(Path(url.database or ":memory:"))
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
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
                pool_timeout=2 * _WAIT_SECONDS,  # `_connect` gives up earlier
                connect_args={"timeout": _CONNECT_SECONDS},
            )
        file = Path(name) if backend == "sqlite" and name != ":memory:" else None
        database = cls(engine, name, Changes(settings.home / "changes" if file is None else Path(f"{name}-changes")))
        try:
            if file is not None:
                make_private(file)
                if not os.access(file, os.W_OK, effective_ids=True):  # SQLite would open it, and refuse to write
                    raise DatabaseError(
                        f"The database {file} can't be used: this user ({os.geteuid()}) may not write to it: chown it"
                    )
            await database._migrate(create=create)
            if file is not None:
                keep_copy(file)
                await engine.dispose()  # a connection that made the tables would keep its statements, 1.5 MB
                database._file = OpenFile(file)
        except (DBAPIError, OSError) as error:
            await engine.dispose()
            problem = str(error.orig if isinstance(error, DBAPIError) else error)
            if is_disk_full(error):
                problem += ". Nothing was changed: make room on its disk and try again"
            raise DatabaseError(f"The database {name} can't be used: {problem}") from error
        except DatabaseError:
            await engine.dispose()
            raise
        return database

    async def close(self) -> None:
        if self._news is not None:
            await self._news.stop()
        if self._group_commit is not None:
            self._group_commit.close()
        await self._engine.dispose()

    def problem(self) -> str:
        """Why the database can't be used any more: its file is gone or replaced. Empty if it can."""
        return "" if self._file is None else self._file.problem()

    def _require_file(self) -> None:
        """Raises OperationalError, as for a server that can't be reached."""
        if problem := self.problem():
            raise OperationalError("", None, sqlite3.OperationalError(problem))

    @property
    def writes_at_once(self) -> bool:
        """Whether `at_once` can be used: only with SQLite in a file."""
        return self._group_commit is not None and self.name != ":memory:"

    async def at_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` as one transaction on a plain SQLite connection, as `GroupCommit.at_once`.

        Raises sqlite3.Error, or OperationalError if the file is gone.
        """
        assert self._group_commit is not None
        self._require_file()
        return await self._group_commit.at_once(work)

    async def empty_log(self) -> bool:
        """Move all that is in SQLite's write-ahead log into the database's file, and make the log an empty file.

        Returns False if a long reader needs the log still. Nobody waits for longer than a moment. Raises DBAPIError.
        """
        if not self.writes_at_once:
            return True
        self._require_file()
        try:
            return await asyncio.to_thread(_empty_log, self.name)
        except sqlite3.Error as error:
            raise OperationalError("", None, error) from error

    async def scrub(self) -> None:
        """Overwrite what SQLite leaves of deleted rows in its file (`storage.scrub`). Raises OSError."""
        if not self.writes_at_once:
            return
        self._require_file()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", scrub.__file__, self.name, stderr=asyncio.subprocess.PIPE
        )
        try:
            _, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()  # nothing that it has done needs the rest
            await process.wait()
            raise
        if process.returncode:
            raise OSError(f"{self.name} can't be scrubbed: {errors.decode(errors='replace')[-500:]}")

    def listen(self) -> None:
        """Hear of other processes' changes at once, so that caches needn't be read again every few seconds."""
        if self._news is not None:
            self._news.start()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads, and sees one state of the data. Raises DBAPIError."""
        self._require_file()
        connection = await self._connect()
        try:
            async with AsyncSession(connection, expire_on_commit=False) as session:
                yield session
        finally:
            await connection.close()

    @asynccontextmanager
    async def writing(self, *, alone: bool = False) -> AsyncIterator[AsyncSession]:
        """A transaction that may change data: committed at the end, rolled back by an exception.

        On SQLite no other writer runs meanwhile, and it shares its commit with the writers
        that wait (`storage.group_commit`). On PostgreSQL other writers wait only with
        ``alone``, which is for transactions that read before they decide; all others use
        statements that have their condition in themselves. Raises RuntimeError inside
        another writing transaction of the same task, since it would wait for itself;
        DBAPIError if the database can't be written.
        """
        task = asyncio.current_task()
        if task in self._writers:
            raise RuntimeError(
                "A writing transaction was begun inside another one of the same task: use the outer one's session"
            )
        self._require_file()
        self._writers.add(task)
        if self._group_commit is not None:
            transaction = self._group_commit.session()
        else:
            transaction = self._shared_session(alone=alone)
        changed = False
        try:
            async with transaction as session:
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
                    await session.execute(NOTIFY)
                await session.commit()
        except ConnectionError as error:
            raise OperationalError("", None, error) from error
        finally:
            await connection.close()

    async def _connect(self) -> AsyncConnection:
        """Raises DBAPIError for everything that the driver raises while a server is down or starting."""
        connection = self._engine.connect()
        if self._group_commit is not None:
            return await connection.start()
        import asyncpg

        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                return await connection.start()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise OperationalError("", None, error) from error

    async def _migrate(self, *, create: bool) -> None:
        async with self._engine.connect() as connection:
            await connection.execution_options(aquilon_writes=True)
            if connection.dialect.name == "sqlite":  # replacing a table must not delete the rows that refer to it
                await _set_foreign_keys(connection, "OFF")
            await connection.run_sync(upgrade, self.name, create=create)
            await connection.rollback()  # ends the transaction that found nothing to do
            if connection.dialect.name == "sqlite":
                await _set_foreign_keys(connection, "ON")


def _refuse_to_create(file: Path) -> None:
    if not file.exists():
        raise DatabaseError(f"There is no database {file}: the first start of `aquilon up` creates it")


async def _set_foreign_keys(connection: AsyncConnection, state: str) -> None:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.execute(f"PRAGMA foreign_keys = {state}")  # has no effect inside a transaction


def _connect_sqlite(file: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_BUSY_SECONDS, check_same_thread=False)
    _configure_sqlite(connection, None)
    return connection


def _empty_log(file: str) -> bool:
    with closing(_connect_sqlite(file)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {_LOG_BUSY_MILLISECONDS}")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # most of the work, while others write
        [(busy, *_)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return not busy


def _set(cursor: Any, pragma: str) -> None:
    """SQLite doesn't wait for another connection that switches a new file to its log: so try again."""
    for _ in range(_PRAGMA_TRIES):
        try:
            cursor.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_PRAGMA_PAUSE_SECONDS)
    cursor.execute(f"PRAGMA {pragma}")


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # `_begin_sqlite` begins transactions, sqlite3 must not
    cursor = connection.cursor()
    try:
        for pragma in _PRAGMAS:
            _set(cursor, pragma)
    except sqlite3.DatabaseError:
        cursor.close()
        raise
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("aquilon_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
