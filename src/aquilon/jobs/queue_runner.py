"""Works on the rows of a queue in the background: claims them, renews their leases, and releases them at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol

from sqlalchemy.exc import DBAPIError

from aquilon.jobs.queue import Key, LeaseLost, Queue, Row
from aquilon.jobs.waiting import until_any
from aquilon.log import get_logger
from aquilon.storage import Database

LEASE_SECONDS = 30
"""Another process takes over a dead process's row after this long; at once where only one process can run."""
_RETRY_SECONDS = 5.0

log = get_logger("aquilon.jobs")


class Work(Protocol):
    """What a process does with a row that it has leased."""

    async def run(self) -> None:
        """Raises LeaseLost. Work whose task is cancelled can be continued later, also by another process."""

    def notice(self, status: str) -> None:
        """The row has this status; called each time that its lease is renewed."""


@dataclass(frozen=True)
class Room:
    """How many rows with these statuses a process works on at once."""

    statuses: tuple[str, ...]
    most: int


@dataclass(frozen=True)
class _Running(Generic[Row]):
    row: Row
    room: Room
    work: Work
    task: asyncio.Task[None]


class QueueRunner(Generic[Row]):
    """Works on rows until it is stopped. Several processes may each have a runner on one database."""

    def __init__(
        self,
        database: Database,
        queue: Queue[Row],
        *,
        kind: str,
        owner: str,
        rooms: Sequence[Room],
        begin: Callable[[Row], Work],
        new_work: asyncio.Event,
        look_seconds: float,
        looked: Callable[[dict[str, int]], None] | None = None,
    ) -> None:
        """``kind`` names a row in the log. ``new_work`` is set when one was added or changed, so that the runner looks
        at once; ``look_seconds`` is how often it looks unasked, for what other processes added or left. ``looked``
        is told what `Queue.counts` returned."""
        self._database = database
        self._queue = queue
        self._kind = kind
        self._owner = owner
        self._rooms = rooms
        self._begin = begin
        self._new_work = new_work
        self._look_seconds = look_seconds
        self._looked = looked
        self._running: dict[Key, _Running[Row]] = {}

    @property
    def rows(self) -> list[Row]:
        """Those that are being worked on."""
        return [running.row for running in self._running.values()]

    async def run(self, stop: asyncio.Event) -> None:
        first = True
        try:
            while not stop.is_set():
                self._new_work.clear()
                try:
                    await self._look(others_too=first and not self._database.is_shared)
                    first = False
                except (DBAPIError, OSError) as error:
                    log.warning("The queue can't be read now", kind=self._kind, error=str(error))
                await until_any(stop, self._new_work, seconds=self._look_seconds)
        finally:
            await self._end()

    async def _look(self, *, others_too: bool) -> None:
        """Renew this process's leases, notice what was asked for meanwhile, and claim free rows."""
        now = int(time.time())
        if self._running:
            async with self._database.writing() as session:
                ours = await self._queue.renew(session, self._owner, now + LEASE_SECONDS)
            for key, running in self._running.items():
                if key in ours:
                    running.work.notice(ours[key])
                else:
                    running.task.cancel()  # it has ended or is deleted, or another process has it
        places = {room: room.most - sum(one.room is room for one in self._running.values()) for room in self._rooms}
        if self._looked is None and max(places.values()) <= 0:
            return
        async with self._database.reading() as session:
            counts = await self._queue.counts(session)
        if self._looked is not None:
            self._looked(counts)
        if sum(counts.values()) <= len(self._running):
            return
        for room, most in places.items():
            if most > 0:
                await self._claim(room, most, now=now, others_too=others_too)

    async def _claim(self, room: Room, most: int, *, now: int, others_too: bool) -> None:
        async with self._database.writing() as session:
            claimed = await self._queue.claim(
                session,
                self._owner,
                statuses=room.statuses,
                now=now,
                until=now + LEASE_SECONDS,
                others_too=others_too,
                most=most,
                running=[row.organization_id for row in self.rows],
            )
        for row in claimed:
            work = self._begin(row)
            task = asyncio.create_task(self._work(row, work))
            self._running[self._queue.key(row)] = _Running(row, room, work, task)

    async def _work(self, row: Row, work: Work) -> None:
        key = self._queue.key(row)
        try:
            await work.run()
        except LeaseLost:
            log.info("This process no longer works on a row of its queue", kind=self._kind, key=key)
        except Exception as error:
            is_known = isinstance(error, DBAPIError | OSError)
            log.error(
                "Work stopped, and is tried again", kind=self._kind, key=key, error=str(error), exc_info=not is_known
            )
            await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.shield(self._release(row))
        finally:
            if key in self._running and self._running[key].work is work:
                del self._running[key]
            self._new_work.set()  # there is room

    async def _end(self) -> None:
        """Stop all work. The process that claims a row next goes on with it."""
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._release()

    async def _release(self, row: Row | None = None) -> None:
        with suppress(DBAPIError, OSError):
            async with self._database.writing() as session:
                await self._queue.release(session, self._owner, row)
