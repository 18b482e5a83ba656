"""The principals of batch jobs' creators, cached until a change in the database may concern them."""

from __future__ import annotations

from aquilon.jobs.store.creators import creator_of
from aquilon.jobs.tables import Batch
from aquilon.people.identity import Principal
from aquilon.storage import Database
from aquilon.storage.changes import Moment

_FRESH_SECONDS = 2.0


class Creators:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[Moment, Principal | None]] = {}

    async def of(self, batch: Batch) -> Principal | None:
        """The job's creator; None if its key is blocked, revoked or expired, or its account disabled."""
        moment = self._database.changes.now()
        known = self._known.get(batch.id)
        if known is not None and known[0].version == moment.version and moment.at - known[0].at < _FRESH_SECONDS:
            return known[1]
        async with self._database.reading() as session:
            principal = await creator_of(session, batch)
        self._known[batch.id] = (moment, principal)
        return principal

    def forget(self, batch: Batch) -> None:
        self._known.pop(batch.id, None)
