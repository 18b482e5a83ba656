"""The terms under which requests are admitted: an organization's budgets, limits and quotas, and the prices."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from aquilon.log import get_logger
from aquilon.money.budgets import Budget
from aquilon.money.limits import Limit
from aquilon.money.person_quotas import PersonQuota
from aquilon.money.prices import PriceList
from aquilon.money.store.budgets import budgets
from aquilon.money.store.limits import limits
from aquilon.money.store.person_quotas import quotas
from aquilon.money.store.prices import price_lists
from aquilon.people.scope import Scope
from aquilon.storage import Database
from aquilon.storage.changes import Moment

FRESH_SECONDS = 1.0
"""A change counts at once. While changes on other machines aren't announced, it counts after this long."""

log = get_logger("aquilon.terms")


@dataclass(frozen=True, kw_only=True)
class Terms:
    read: Moment
    """The moment before the terms were read."""
    budgets: tuple[Budget, ...]
    limits: tuple[Limit, ...]
    quotas: tuple[PersonQuota, ...]
    prices: dict[str, PriceList]


class KnownTerms:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Terms] = {}
        self._reading: dict[str, tuple[Moment, asyncio.Task[Terms]]] = {}

    async def of(self, organization_id: str) -> Terms:
        """The present terms. Raises DBAPIError if they have to be read and the database can't be asked."""
        known = self._known.get(organization_id)
        if known is not None and self._database.changes.none_since(known.read, unheard=FRESH_SECONDS):
            return known
        return await asyncio.shield(self._read(organization_id))

    def _read(self, organization_id: str) -> asyncio.Task[Terms]:
        """The reading in progress if nothing has changed since it started, otherwise a new one."""
        in_progress = self._reading.get(organization_id)
        if in_progress is None or not self._database.changes.none_since(in_progress[0], unheard=FRESH_SECONDS):
            moment = self._database.changes.now()
            reading = asyncio.create_task(self._read_now(organization_id, moment))
            in_progress = self._reading[organization_id] = moment, reading
            reading.add_done_callback(lambda done: self._end(organization_id, done))
        return in_progress[1]

    async def _read_now(self, organization_id: str, moment: Moment) -> Terms:
        scope = Scope(organization_id)
        async with self._database.reading() as session:
            terms = Terms(
                read=moment,
                budgets=tuple(await budgets(session, scope)),
                limits=tuple(await limits(session, scope)),
                quotas=tuple(await quotas(session, scope)),
                prices=await price_lists(session),
            )
        known = self._known.get(organization_id)
        if known is None or known.read.at <= moment.at:
            self._known[organization_id] = terms
        return terms

    def _end(self, organization_id: str, reading: asyncio.Task[Terms]) -> None:
        if (in_progress := self._reading.get(organization_id)) is not None and in_progress[1] is reading:
            del self._reading[organization_id]
        if not reading.cancelled() and isinstance(error := reading.exception(), DBAPIError):
            log.warning("Budgets, limits and prices can't be read now", error=str(error.orig))
