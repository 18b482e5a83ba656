"""Deletes old rows and files: usage events (their totals stay), ended batch jobs, files, idempotency keys,
conversations and shares that are kept no longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from sqlalchemy.exc import DBAPIError

from aquilon.api import idempotency_store as idempotency
from aquilon.jobs.files import Files
from aquilon.jobs.fine_tuning import store as fine_tuning
from aquilon.jobs.store import batches
from aquilon.log import get_logger
from aquilon.money.store import person_quotas, usage
from aquilon.settings import Settings
from aquilon.storage import Database

_PAUSE_SECONDS = 0.1
"""Between two steps, so that requests never wait long for the database."""
_FIRST_SECONDS, _EVERY_SECONDS = 5.0, 3600.0
"""After the start, and then: what a stop interrupted, such as the deletion of an account, goes on soon."""
_AT_ONCE = 500
_DAY = 86_400

Pruning = tuple[str, Callable[[], Awaitable[int]]]
"""A name for the log, and a function that deletes a few rows or files and returns how many: 0 if none are left."""

log = get_logger("aquilon.retention")


def prunings(database: Database, files: Files, settings: Settings, *more: Pruning) -> list[Pruning]:
    """All prunings, in the order in which they run, ``more`` at the end."""

    async def usage_events() -> int:
        async with database.writing() as session:
            return await usage.prune(session, before=int(time.time()) - settings.usage_days * _DAY)

    async def batch_lines() -> int:
        """Lines of jobs whose result files are complete, if a kill came before the lines were deleted."""
        async with database.reading() as session:
            job = await batches.with_leftover_lines(session)
        if job is None:
            return 0
        async with database.writing() as session:
            return await batches.forget_lines(session, job, most=_AT_ONCE)

    async def batch_jobs() -> int:
        async with database.writing() as session:
            return await batches.prune(session, before=int(time.time()) - settings.result_days * _DAY, most=_AT_ONCE)

    async def fine_tuning_jobs() -> int:
        async with database.writing() as session:
            before = int(time.time()) - settings.fine_tuning_days * _DAY
            return await fine_tuning.prune(session, before=before, most=_AT_ONCE)

    async def idempotency_keys() -> int:
        async with database.writing() as session:
            return await idempotency.prune(session, now=int(time.time()), most=_AT_ONCE)

    async def person_counts() -> int:
        async with database.writing() as session:
            return await person_quotas.prune(session, most=_AT_ONCE)

    return [
        ("usage events", usage_events),
        ("lines of batch jobs", batch_lines),
        ("batch jobs", batch_jobs),
        ("fine-tuning jobs", fine_tuning_jobs),
        ("files", files.sweep),
        ("idempotency keys", idempotency_keys),
        ("past counts of quotas", person_counts),
        *more,
    ]


async def keep_pruned(prunings: Sequence[Pruning], *, stop: asyncio.Event) -> None:
    """Run all prunings soon, and then every hour, in small steps, until ``stop`` is set."""
    wait = _FIRST_SECONDS
    while not await _waited(stop, wait):
        wait = _EVERY_SECONDS
        for name, step in prunings:
            await prune(name, step, stop)


async def prune(name: str, step: Callable[[], Awaitable[int]], stop: asyncio.Event) -> int:
    """Run a pruning until nothing is left or ``stop`` is set; returns how many rows or files were deleted."""
    total, deleted = 0, 1
    try:
        while deleted and not await _waited(stop, _PAUSE_SECONDS):
            deleted = await step()
            total += deleted
    except (DBAPIError, OSError) as error:
        log.warning("Pruning can't go on now", what=name, error=str(error))
    if total:
        log.info("Pruned", what=name, number=total)
    return total


async def _waited(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for the time or for ``stop``, whichever is first; returns whether ``stop`` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()
