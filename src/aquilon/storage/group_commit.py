"""One writer for a SQLite file, whose small transactions share a commit.

SQLite has one writer at a time, and with ``synchronous=FULL`` each commit waits for
the disk. Transactions that come while another one runs or commits are put behind
each other as savepoints of one transaction and are committed together; each
returns only when that commit is durable. Those that wait when a group begins
belong to it, newcomers for `MOST_SECONDS`.
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

MOST_SECONDS = 0.002
"""How long a group takes newcomers; alone, a transaction doesn't wait."""
MOST_TOGETHER = 64


class _Group:
    def __init__(self, connection: AsyncConnection, expected: int) -> None:
        self.connection = connection
        self.expected = expected
        """Transactions that waited when it began and have not run yet."""
        self.due = time.monotonic() + MOST_SECONDS
        self.committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: BaseException | None = None
        """Why SQLite undid all of it: a full disk, say."""
        self.timer: asyncio.Task[None] | None = None


class GroupCommit:
    def __init__(
        self, engine: AsyncEngine, session_class: type[Session], connect: Callable[[], sqlite3.Connection]
    ) -> None:
        """``connect`` gives a connection of our own to the same file, for ``at_once``, whatever thread uses it."""
        self._engine = engine
        self._session_class = session_class
        self._connect = connect
        self._own: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aquilon-commit")
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._group: _Group | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Alone among writers; durable when the block has been left, undone by an exception in it."""
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
                if group.connection.invalidated:  # a statement was cancelled: the connection went with it
                    group.lost = _cut_short()
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
        """A transaction of one call, in a thread; durable when it returns.

        For what is written with every answer: a session's many short ways to the thread
        and back cost several times as much as all that SQLite does.
        """
        async with self._turn:
            if self._group is not None:
                await self._end(self._group)
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def close(self) -> None:
        self._thread.shutdown()
        if self._own is not None:
            self._own.close()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._own is None:
            self._own = self._connect()
        self._own.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._own)
            self._own.execute("COMMIT")
        except BaseException:
            if self._own.in_transaction:
                self._own.execute("ROLLBACK")
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
        self._group = _Group(connection, expected=min(self._waiting + 1, MOST_TOGETHER))
        return self._group

    async def _end(self, group: _Group) -> None:
        self._group = None
        await asyncio.shield(asyncio.create_task(_commit(group)))

    async def _end_in_time(self, group: _Group) -> None:
        """Commits should those who waited have gone away."""
        await asyncio.sleep(MOST_SECONDS)
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
        group.committed.exception()  # seen: nobody may be left to wait for it
    else:
        group.committed.set_result(None)


def _cut_short() -> OperationalError:
    """For the others of the group: an error as the database's own, for which clients are asked to try again."""
    return OperationalError("COMMIT", None, sqlite3.OperationalError("a write of the same group was cut short"))


async def _is_open(connection: AsyncConnection) -> bool:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    return bool(raw.in_transaction)
