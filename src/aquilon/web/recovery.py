"""Ends what a process left when it was killed: the answers that it wrote, and what they owe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from sqlalchemy.exc import DBAPIError

from aquilon.log import get_logger
from aquilon.storage import Database

_EVERY_SECONDS = 2.0

log = get_logger("aquilon.recovery")


async def keep_recovered(
    database: Database, recoveries: Sequence[Callable[[], Awaitable[int]]], stop: asyncio.Event
) -> None:
    """Recover now and, if other processes share the database, whenever one of them dies."""
    while True:
        try:
            for recover in recoveries:
                await recover()
        except (DBAPIError, OSError) as error:
            log.warning("Unfinished answers can't be looked for now", error=str(error))
        else:
            if not database.is_shared:
                return
        with suppress(TimeoutError):
            async with asyncio.timeout(_EVERY_SECONDS):
                await stop.wait()
        if stop.is_set():
            return
