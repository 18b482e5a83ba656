"""Whom a batch job acts for, remembered as long as nothing changed that could matter."""

from __future__ import annotations

import time

from aquilon.platform.domain.identity import Principal
from aquilon.platform.storage import Database
from aquilon.platform.storage.batch_creators import creator_of
from aquilon.platform.storage.jobs_schema import Batch

_FRESH_SECONDS = 2.0


class Creators:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[tuple[int, int], float, Principal | None]] = {}

    async def of(self, batch: Batch) -> Principal | None:
        """None where whoever made the job may no longer ask: blocked, revoked, expired, disabled."""
        version, now = self._database.identity.current(), time.monotonic()
        known = self._known.get(batch.id)
        if known is not None and known[0] == version and now - known[1] < _FRESH_SECONDS:
            return known[2]
        async with self._database.reading() as session:
            found = await creator_of(session, batch)
        self._known[batch.id] = (version, now, found)
        return found

    def forget(self, batch: Batch) -> None:
        self._known.pop(batch.id, None)
