"""What is forgotten after a while: usage events, whose totals stay, ended batch jobs, files, idempotency keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from sqlalchemy.exc import DBAPIError

from aquilon.api import idempotency_store as idempotency
from aquilon.jobs.files import Files
from aquilon.jobs.store import batches
from aquilon.money.store import usage
from aquilon.settings import Settings
from aquilon.storage import Database

_PAUSE_SECONDS = 0.1
"""Between two steps, so that answers' events never wait long for the database."""
_EVERY_SECONDS = 3600
_AT_ONCE = 500
_DAY = 86_400

Pruning = tuple[str, Callable[[], Awaitable[int]]]
"""What goes, for the log, and one small step of it, which tells how many went: 0 when nothing is left to do."""

log = structlog.get_logger("aquilon.retention")


def prunings(database: Database, files: Files, settings: Settings) -> list[Pruning]:
    async def usage_events() -> int:
        async with database.writing() as session:
            return await usage.prune(session, before=int(time.time()) - settings.usage_days * _DAY)

    async def batch_lines() -> int:
        """Of jobs whose result files have them, where a kill came before they were deleted."""
        async with database.reading() as session:
            job = await batches.with_leftover_lines(session)
        if job is None:
            return 0
        async with database.writing() as session:
            return await batches.forget_lines(session, job, most=_AT_ONCE)

    async def batch_jobs() -> int:
        async with database.writing() as session:
            return await batches.prune(session, before=int(time.time()) - settings.result_days * _DAY, most=_AT_ONCE)

    async def idempotency_keys() -> int:
        async with database.writing() as session:
            return await idempotency.prune(session, now=int(time.time()), most=_AT_ONCE)

    return [
        ("usage events", usage_events),
        ("lines of batch jobs", batch_lines),
        ("batch jobs", batch_jobs),
        ("files", files.sweep),
        ("idempotency keys", idempotency_keys),
    ]


async def keep_pruned(what: Sequence[Pruning], *, stop: asyncio.Event) -> None:
    """Prune in small steps, every hour until ``stop`` is set."""
    while not await _waited(stop, _EVERY_SECONDS):
        for name, step in what:
            await prune(name, step, stop)


async def prune(name: str, step: Callable[[], Awaitable[int]], stop: asyncio.Event) -> int:
    """Step by step until nothing is left, or ``stop`` is set; gives how many went."""
    gone, last = 0, 1
    try:
        while last and not await _waited(stop, _PAUSE_SECONDS):
            last = await step()
            gone += last
    except (DBAPIError, OSError) as error:
        log.warning("Pruning can't go on now", what=name, error=str(error))
    if gone:
        log.info("Pruned", what=name, number=gone)
    return gone


async def _waited(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; true as soon as it is time to stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()
