"""Waiting for what there is to do in the background, and for a database that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from aquilon.log import get_logger

T = TypeVar("T")

_MOST_DELAY = 5.0

log = get_logger("aquilon.jobs")


async def until_any(*events: asyncio.Event, seconds: float) -> None:
    """Wait until one of these is set, for at most ``seconds``."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def patiently(work: Callable[[], Awaitable[T]], *, kind: str) -> T:
    """Do what needs the database, and try again while the database is away; ``kind`` names who waits in the log."""
    delay = 0.2
    while True:
        try:
            return await work()
        except (DBAPIError, OSError) as error:
            log.warning("Work waits for the database", kind=kind, error=str(error))
        await asyncio.sleep(delay)
        delay = min(2 * delay, _MOST_DELAY)
