"""Whom a secret stands for, remembered: finding it out costs more than all else in authenticating a request."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.secrets import fingerprint
from aquilon.storage import Database
from aquilon.storage.changes import Moment

_MOST = 10_000
_REMOTE_SECONDS = 5.0
"""For so long may a change made on another machine be unknown here, while PostgreSQL can't tell of it."""
_USE_RECORDED_EVERY = 60
"""Seconds: a busy key costs one write a minute, not one a request."""

log = structlog.get_logger("aquilon.auth")


class Holder(Protocol):
    """Times are in seconds since 1970."""

    @property
    def expires_at(self) -> int | None: ...

    @property
    def last_used_at(self) -> int | None: ...


H = TypeVar("H", bound=Holder)


@dataclass
class _Known(Generic[H]):
    holder: H
    read: Moment
    last_used_at: int | None


class Remembered(Generic[H]):
    """A change to keys, sessions, people or workspaces by any process on this home holds for the next request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, _Known[H]] = OrderedDict()

    async def find(self, session: AsyncSession, secret: str) -> H | None:
        raise NotImplementedError

    async def record_use(self, session: AsyncSession, holder: H, at: int) -> None:
        raise NotImplementedError

    async def of(self, secret: str) -> H | None:
        """None for a secret that opens nothing now. Its use is recorded, once a minute."""
        digest = fingerprint(secret)
        known = self._known.get(digest)
        if known is None or not self._holds(known):
            self._known.pop(digest, None)
            moment = self._database.changes.now()
            async with self._database.reading() as session:
                holder = await self.find(session, secret)
            if holder is None:
                return None
            known = _Known(holder, moment, holder.last_used_at)
            self._known[digest] = known
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        if known.last_used_at is None or known.last_used_at <= int(time.time()) - _USE_RECORDED_EVERY:
            await self._record_use(known)
        return known.holder

    def _holds(self, known: _Known[H]) -> bool:
        if known.holder.expires_at is not None and known.holder.expires_at <= time.time():
            return False
        return self._database.changes.none_since(known.read, unheard=_REMOTE_SECONDS)

    async def _record_use(self, known: _Known[H]) -> None:
        known.last_used_at = now = int(time.time())
        try:
            async with self._database.writing() as session:
                await self.record_use(session, known.holder, now)
        except DBAPIError as error:  # a full disk shall not keep anybody from an answer
            log.warning("The use of a key or session is not recorded", error=str(error.orig))
