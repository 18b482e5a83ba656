"""How long each organization's conversations are kept, cached until it changes."""

from __future__ import annotations

from aquilon.conversations.store.conversations import policy_days
from aquilon.people.scope import Scope
from aquilon.storage import Database
from aquilon.storage.changes import Moment

_FRESH_SECONDS = 1.0
"""While changes on other machines aren't announced, a change counts after this long."""


class Policies:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[Moment, int | None]] = {}

    async def days_of(self, organization_id: str) -> int | None:
        """After the last change; 0 if nothing is stored, None for ever. Raises DBAPIError."""
        known = self._known.get(organization_id)
        if known is not None and self._database.changes.none_since(known[0], unheard=_FRESH_SECONDS):
            return known[1]
        moment = self._database.changes.now()
        async with self._database.reading() as session:
            days = await policy_days(session, Scope(organization_id))
        self._known[organization_id] = moment, days
        return days
