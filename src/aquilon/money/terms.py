"""What requests are admitted under: an organization's budgets and limits, and every model's prices."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from aquilon.money.budgets import Budget
from aquilon.money.limits import Limit
from aquilon.money.prices import PriceList
from aquilon.money.store.budgets import budgets
from aquilon.money.store.limits import limits
from aquilon.money.store.prices import price_lists
from aquilon.people.scope import Scope
from aquilon.storage import Database
from aquilon.storage.changes import Moment

FRESH_SECONDS = 1.0
"""What somebody changed counts at once, or this soon while nobody tells of changes on other machines."""

log = structlog.get_logger("aquilon.terms")


@dataclass(frozen=True)
class Terms:
    read: Moment
    """Before it was."""
    budgets: tuple[Budget, ...]
    limits: tuple[Limit, ...]
    prices: dict[str, PriceList]


class KnownTerms:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Terms] = {}
        self._reading: dict[str, tuple[Moment, asyncio.Task[Terms]]] = {}

    async def of(self, organization_id: str) -> Terms:
        """As they are now. Raises DBAPIError where that has to be read and the database can't be asked."""
        known = self._known.get(organization_id)
        if known is not None and self._database.changes.none_since(known.read, unheard=FRESH_SECONDS):
            return known
        return await asyncio.shield(self._read(organization_id))

    def _read(self, organization_id: str) -> asyncio.Task[Terms]:
        """The reading that is under way, if nothing changed since it began, else a new one."""
        under_way = self._reading.get(organization_id)
        if under_way is None or not self._database.changes.none_since(under_way[0], unheard=FRESH_SECONDS):
            moment = self._database.changes.now()
            reading = asyncio.create_task(self._read_now(organization_id, moment))
            under_way = self._reading[organization_id] = moment, reading
            reading.add_done_callback(lambda done: self._end(organization_id, done))
        return under_way[1]

    async def _read_now(self, organization_id: str, moment: Moment) -> Terms:
        scope = Scope(organization_id)
        async with self._database.reading() as session:
            terms = Terms(
                moment,
                tuple(await budgets(session, scope)),
                tuple(await limits(session, scope)),
                await price_lists(session),
            )
        known = self._known.get(organization_id)
        if known is None or known.read.at <= moment.at:
            self._known[organization_id] = terms
        return terms

    def _end(self, organization_id: str, reading: asyncio.Task[Terms]) -> None:
        if (under_way := self._reading.get(organization_id)) is not None and under_way[1] is reading:
            del self._reading[organization_id]
        if not reading.cancelled() and isinstance(error := reading.exception(), DBAPIError):
            log.warning("Budgets, limits and prices can't be read now", error=str(error.orig))
