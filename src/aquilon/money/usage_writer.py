"""Commits usage events: as many in one transaction as came while the last one ran."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, overloaded
from aquilon.money.held_usage import HeldUsage
from aquilon.money.shared_stock import SharedStock
from aquilon.money.store import usage
from aquilon.money.store.holds import turn_into_spending
from aquilon.money.usage_event import UsageEvent
from aquilon.storage import Database

MOST_AT_ONCE = 500
PATIENCE_SECONDS = 5.0
"""An answer waits so long for its event to be committed; after that it fails, and the event is still kept."""
_RETRY_SECONDS = 0.5

log = structlog.get_logger("aquilon.usage")

_Pending = tuple[UsageEvent, asyncio.Future[None]]


class UsageWriter:
    """One writer for a process. While the database can't be written, events wait here and no new work is taken."""

    def __init__(self, database: Database, stock: SharedStock | None = None) -> None:
        self._database = database
        self._stock = stock
        """Set where what is spent must be taken off what this process holds of a shared database."""
        self._pending: list[_Pending] = []
        self._writing: asyncio.Task[None] | None = None
        self._broken = False
        self.held = HeldUsage()
        """Of batch lines: whoever records a line records what it used in the same transaction, with ``record``."""

    def require_working(self) -> None:
        """Raises ApiError 503 while events can't be committed: what can't be recorded isn't begun."""
        if self._broken:
            raise _unwritable()

    def submit(self, event: UsageEvent) -> asyncio.Future[None]:
        """Have an event committed; the future is done when it is. Nobody needs to wait for it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if event.batch:
            self.held.add(event)
            done.set_result(None)
            return done
        self._pending.append((event, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return done

    async def commit(self, event: UsageEvent) -> None:
        """Returns when the event outlives this process. Raises ApiError 503 where the database can't be written."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.shield(self.submit(event))
        except TimeoutError:
            raise _unwritable() from None

    async def record(self, session: AsyncSession, events: Sequence[UsageEvent]) -> None:
        """Write events within a transaction; call ``recorded`` when it is committed."""
        spent = await usage.record(session, events)
        if self._stock is not None:
            await turn_into_spending(session, self._stock.process_id, spent)

    def recorded(self, events: Sequence[UsageEvent]) -> None:
        if self._stock is not None:
            self._stock.recorded(events)

    def dropped(self, events: Sequence[UsageEvent]) -> None:
        """These events will never be written: nothing was spent."""
        if self._stock is not None:
            self._stock.dropped(events)

    async def close(self, seconds: float = 2.0) -> None:
        """Write what is pending, for so long at most."""
        if self._writing is None:
            return
        await asyncio.wait({self._writing}, timeout=seconds)
        self._writing.cancel()
        if self._pending:
            log.error("Usage was lost: the database could not be written", events=len(self._pending))

    async def _write(self) -> None:
        while self._pending:
            batch = self._pending[:MOST_AT_ONCE]
            try:
                await self._commit(batch)
            except (DBAPIError, sqlite3.Error, OSError) as error:
                if not self._broken:
                    log.error("Usage can't be recorded now", error=str(error), events=len(self._pending))
                self._broken = True
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                if self._broken:
                    log.info("Usage is recorded again", events=len(self._pending) + len(batch))
                self._broken = False

    async def _commit(self, batch: Sequence[_Pending]) -> None:
        events = [event for event, _ in batch]
        if self._stock is None and self._database.writes_at_once:
            await self._database.at_once(lambda connection: usage.record_at_once(connection, events))
        else:
            async with self._database.writing() as session:
                await self.record(session, events)
        self.recorded(events)
        del self._pending[: len(batch)]
        for _, done in batch:
            if not done.done():
                done.set_result(None)


def _unwritable() -> ApiError:
    return overloaded(
        "Usage can't be recorded now, so no answer is given; the server's log has the reason", retry_after=5
    )
