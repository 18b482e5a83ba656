"""One writer for a SQLite file; its small transactions share commits.

SQLite has one writer at a time, and with ``synchronous=FULL`` each commit waits for
the disk. Transactions that arrive while another one runs or commits become savepoints
of one SQLite transaction and are committed together; each returns only when that commit
is durable. A group takes those that wait when it begins, and newcomers for `MAX_SECONDS`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

T = TypeVar("T")

MAX_SECONDS = 0.002
"""How long a group accepts newcomers; a single transaction doesn't wait."""
MAX_TOGETHER = 64


class _Group:
    def __init__(self, connection: AsyncConnection, expected: int) -> None:
        self.connection = connection
        self.expected = expected
        """How many transactions waited when the group began and have not run yet."""
        self.due = time.monotonic() + MAX_SECONDS
        self.committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: BaseException | None = None
        """Why SQLite rolled the whole group back, such as a full disk."""
        self.timer: asyncio.Task[None] | None = None


class GroupCommit:
    def __init__(
        self, engine: AsyncEngine, session_class: type[Session], connect: Callable[[], sqlite3.Connection]
    ) -> None:
        """``connect`` opens a separate connection to the same file, usable in any thread, for `at_once`."""
        self._engine = engine
        self._session_class = session_class
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aquilon-commit")
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._group: _Group | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """No other writer runs meanwhile. Durable when the block has ended, rolled back by an exception in it."""
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            group = self._group or await self._begin()
            group.expected -= 1
            try:
                async with AsyncSession(
                    group.connection,
                    sync_session_class=self._session_class,
                    join_transaction_mode="create_savepoint",
                    expire_on_commit=False,
                ) as session:
                    yield session
                    await session.commit()
            except BaseException as error:
                if group.connection.invalidated:  # a cancelled statement took the connection with it
                    group.lost = _cancelled_in_group()
                elif not await _is_open(group.connection):
                    group.lost = error
                raise
            finally:
                full = group.expected <= 0 and time.monotonic() >= group.due
                if not self._waiting or group.lost is not None or full:
                    await self._end(group)
                elif group.timer is None:
                    group.timer = asyncio.create_task(self._end_in_time(group))
        finally:
            self._turn.release()
        await asyncio.shield(group.committed)

    async def at_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` as one transaction in a thread; durable when it returns.

        It is for the writes of every answer: a session's many switches to its thread and
        back cost several times as much as SQLite's own work.
        """
        async with self._turn:
            if self._group is not None:
                await self._end(self._group)
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def close(self) -> None:
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return result

    async def _begin(self) -> _Group:
        connection = await self._engine.connect()
        try:
            await connection.execution_options(aquilon_writes=True)
            await connection.begin()
        except BaseException:
            await connection.close()
            raise
        self._group = _Group(connection, expected=min(self._waiting + 1, MAX_TOGETHER))
        return self._group

    async def _end(self, group: _Group) -> None:
        self._group = None
        await asyncio.shield(asyncio.create_task(_commit(group)))

    async def _end_in_time(self, group: _Group) -> None:
        """Commit the group if its waiting transactions were cancelled."""
        await asyncio.sleep(MAX_SECONDS)
        async with self._turn:
            if self._group is group:
                await self._end(group)


async def _commit(group: _Group) -> None:
    try:
        try:
            if group.lost is not None:
                await group.connection.rollback()
                raise group.lost
            await group.connection.commit()
        finally:
            await group.connection.close()
    except BaseException as error:
        group.committed.set_exception(error)
        group.committed.exception()  # mark it as retrieved, since maybe nobody awaits it
    else:
        group.committed.set_result(None)


def _cancelled_in_group() -> OperationalError:
    """The error for the rest of the group; clients are asked to try again, as for any database error."""
    return OperationalError("COMMIT", None, sqlite3.OperationalError("another write of the same commit was cancelled"))


async def _is_open(connection: AsyncConnection) -> bool:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    return bool(raw.in_transaction)
