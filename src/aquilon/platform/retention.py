"""What is forgotten after a while: usage events, whose totals stay."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import structlog
from sqlalchemy.exc import DBAPIError

from aquilon.platform.storage import Database, usage

_PAUSE_SECONDS = 0.1
"""Between two steps, so that answers' events never wait long for the database."""
_EVERY_SECONDS = 3600

log = structlog.get_logger("aquilon.retention")


async def keep_pruned(database: Database, *, days: int, stop: asyncio.Event) -> None:
    """Delete events older than so many days, in small steps, every hour until ``stop`` is set."""
    while not await _waited(stop, _EVERY_SECONDS):
        before, pruned, step = int(time.time()) - days * 86_400, 0, 1
        try:
            while step and not await _waited(stop, _PAUSE_SECONDS):
                async with database.writing() as session:
                    step = await usage.prune(session, before=before)
                pruned += step
        except (DBAPIError, OSError) as error:
            log.warning("Usage events can't be pruned now", error=str(error))
        if pruned:
            log.info("Usage events were pruned", events=pruned, older_than_days=days)


async def _waited(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; true as soon as it is time to stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()
