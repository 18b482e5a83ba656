"""Commits usage events. One transaction takes all events that came while the last one ran."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError
from aquilon.log import get_logger
from aquilon.money.shared_stock import SharedStock
from aquilon.money.store import usage
from aquilon.money.store.holds import turn_into_spending
from aquilon.money.usage_event import UsageEvent
from aquilon.storage import Database
from aquilon.storage.rows import Write, write_at_once, write_in
from aquilon.storage.unwritable import database_unavailable, disk_full, is_disk_full


class HeldUsage:
    """Events of batch lines, which are recorded together with the line's result."""

    def __init__(self) -> None:
        self._events: dict[str, list[UsageEvent]] = {}

    def add(self, event: UsageEvent) -> None:
        """Keep a completed line's event. Others cost nothing: the line is asked again, or its answer never shown."""
        if event.outcome == "completed":
            self._events.setdefault(event.request_id, []).append(event)

    def take(self, line: str) -> list[UsageEvent]:
        """Remove and return a line's events, each with a distinct request id; empty if nothing was generated."""
        events = self._events.pop(line, [])
        return [
            replace(event, request_id=f"{line}.{number}") if number else event for number, event in enumerate(events)
        ]


MOST_AT_ONCE = 500
PATIENCE_SECONDS = 5.0
"""How long an answer waits for its event to be committed. After that it fails, and only what was sent is paid."""
_RETRY_SECONDS = 0.5
_RETRY_AFTER = 5

log = get_logger("aquilon.usage")

Also = Callable[[UsageEvent], Sequence[Write]]
"""What is written in the transaction of an event, such as the answer that was paid."""


@dataclass(eq=False)
class _Pending:
    event: UsageEvent
    done: asyncio.Future[None]
    also: Also | None = None
    committing: bool = False
    """Whether a COMMIT with this event runs: it can no longer be taken back."""


class _TakenBack(Exception):
    """An event of the transaction was taken back while it was written."""


class UsageWriter:
    """The one writer of a process. While the database can't be written, events wait here and no new request starts."""

    def __init__(self, database: Database, stock: SharedStock | None = None) -> None:
        self._database = database
        self._stock = stock
        """Set for a shared database: spending must be subtracted from what this process holds."""
        self._pending: list[_Pending] = []
        self._attempt: asyncio.Future[None] | None = None
        """Done when the running transaction has ended, with or without success."""
        self._deciding = threading.Lock()
        """Held while SQLite's thread decides to commit an event, or its answer takes it back: never both happen."""
        self._writing: asyncio.Task[None] | None = None
        self._problem: Exception | None = None
        """Why events can't be committed now."""
        self.held = HeldUsage()
        """Of batch lines: a job's run records them with ``record``, in the transaction of the line's result."""

    def require_working(self) -> None:
        """Raises ApiError 503 while events can't be committed."""
        if self._problem is not None:
            raise self._refusal()

    def submit(self, event: UsageEvent, also: Also | None = None) -> asyncio.Future[None] | None:
        """Have an event committed in the background; returns what is done when it is durable.

        None for a line of a batch job.
        """
        if event.batch:
            self.held.add(event)
            return None
        return self._add(event, also).done

    async def commit(self, event: UsageEvent, instead: Callable[[], UsageEvent], also: Also | None = None) -> None:
        """Commit an event, and what ``also`` returns for it; returns when they are durable.

        What contradicts other rows by then, such as the answer of a deleted conversation, is
        left out. Raises ApiError 503 if the database can't be written in time. The event that
        ``instead`` returns is then recorded in its place.
        """
        if event.batch:
            self.held.add(event)
            return
        pending = self._add(event, also)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.shield(pending.done)
        except TimeoutError:
            while not self.take_back(event, instead):
                if pending.done.done():
                    return
                assert self._attempt is not None
                await asyncio.wait({self._attempt})
            raise self._refusal() from None

    def take_back(self, event: UsageEvent, instead: Callable[[], UsageEvent]) -> bool:
        """Record what ``instead`` returns in place of ``event``; False if that is committed or about to be."""
        with self._deciding:
            pending = next(
                (waiting for waiting in self._pending if waiting.event is event and not waiting.committing), None
            )
            if pending is not None:
                pending.event = instead()
            return pending is not None

    def _add(self, event: UsageEvent, also: Also | None = None) -> _Pending:
        pending = _Pending(event, asyncio.get_running_loop().create_future(), also)
        self._pending.append(pending)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return pending

    async def record(self, session: AsyncSession, events: Sequence[UsageEvent]) -> None:
        """Write events in a transaction; the caller calls ``recorded`` once it is committed."""
        spent = await usage.record(session, events)
        if self._stock is not None:
            await turn_into_spending(session, self._stock.process_id, spent)

    def recorded(self, events: Sequence[UsageEvent]) -> None:
        if self._stock is not None:
            self._stock.recorded(events)

    def dropped(self, events: Sequence[UsageEvent]) -> None:
        """Note that these events will never be written: what they spent is free again."""
        if self._stock is not None:
            self._stock.dropped(events)

    async def close(self, seconds: float = 2.0) -> None:
        """Write what is pending, for at most ``seconds``."""
        if self._writing is None:
            return
        await asyncio.wait({self._writing}, timeout=seconds)
        self._writing.cancel()
        if self._pending:
            log.error("Usage was lost: the database could not be written", events=len(self._pending))

    async def _write(self) -> None:
        while self._pending:
            batch = self._pending[:MOST_AT_ONCE]
            self._attempt = asyncio.get_running_loop().create_future()
            try:
                await self._commit(batch)
            except _TakenBack:
                pass  # try again, with the event that replaced it
            except (DBAPIError, sqlite3.Error, OSError) as error:
                if self._problem is None:
                    log.error("Usage can't be recorded now", error=str(error), events=len(self._pending))
                self._problem = error
                self._end_attempt(batch)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                if self._problem is not None:
                    log.info("Usage is recorded again", events=len(self._pending) + len(batch))
                self._problem = None
            finally:
                self._end_attempt(batch)

    def _refusal(self) -> ApiError:
        return disk_full() if is_disk_full(self._problem) else database_unavailable(retry_after=_RETRY_AFTER)

    def _end_attempt(self, batch: Sequence[_Pending]) -> None:
        for pending in batch:
            pending.committing = False
        if self._attempt is not None and not self._attempt.done():
            self._attempt.set_result(None)

    async def _commit(self, batch: Sequence[_Pending]) -> None:
        events = [pending.event for pending in batch]

        def write(connection: sqlite3.Connection) -> None:
            usage.record_at_once(connection, events)
            for pending, event in zip(batch, events, strict=True):
                if pending.also is not None:
                    _write_also(connection, pending.also(event))
            self._decide(batch, events)

        if self._stock is None and self._database.writes_at_once:
            await self._database.at_once(write)
        else:
            async with self._database.writing() as session:
                await self.record(session, events)
                for pending, event in zip(batch, events, strict=True):
                    if pending.also is not None:
                        with suppress(IntegrityError):
                            async with session.begin_nested():
                                await write_in(session, pending.also(event))
                self._decide(batch, events)
        self.recorded(events)
        del self._pending[: len(batch)]
        for pending in batch:
            if not pending.done.done():
                pending.done.set_result(None)

    def _decide(self, batch: Sequence[_Pending], events: Sequence[UsageEvent]) -> None:
        """The last step before COMMIT. Raises _TakenBack."""
        with self._deciding:
            if any(pending.event is not event for pending, event in zip(batch, events, strict=True)):
                raise _TakenBack
            for pending in batch:
                pending.committing = True


def _write_also(connection: sqlite3.Connection, writes: Sequence[Write]) -> None:
    connection.execute("SAVEPOINT also")
    try:
        write_at_once(connection, writes)
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK TO also")
    connection.execute("RELEASE also")
