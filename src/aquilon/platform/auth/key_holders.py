"""Whom an API key stands for, remembered: finding it out costs more than all else in authenticating a request."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from aquilon.platform.domain.secrets import fingerprint
from aquilon.platform.storage import Database, api_keys
from aquilon.platform.storage.api_keys import KeyHolder

_MOST_KEYS = 10_000
_REMOTE_SECONDS = 5.0
"""For so long may a change made on another machine, over PostgreSQL, be unknown here."""

log = structlog.get_logger("aquilon.auth")


@dataclass
class _Known:
    holder: KeyHolder
    version: tuple[int, int]
    read_at: float
    last_used_at: int | None


class KeyHolders:
    """A change to keys, people or workspaces by any process on this home holds for the next request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def of(self, secret: str) -> KeyHolder | None:
        """None for a secret that opens nothing now. Its use is recorded, once a minute."""
        digest = fingerprint(secret)
        version = self._database.identity.current()
        known = self._known.get(digest)
        if known is None or not self._holds(known, version):
            self._known.pop(digest, None)
            async with self._database.reading() as session:
                holder = await api_keys.holder_of(session, secret)
            if holder is None:
                return None
            known = _Known(holder, version, time.monotonic(), holder.last_used_at)
            self._known[digest] = known
            if len(self._known) > _MOST_KEYS:
                self._known.popitem(last=False)
        if api_keys.use_is_due(known.last_used_at):
            await self._record_use(known)
        return known.holder

    def _holds(self, known: _Known, version: tuple[int, int]) -> bool:
        if known.version != version:
            return False
        if known.holder.expires_at is not None and known.holder.expires_at <= time.time():
            return False
        return not self._database.is_shared or time.monotonic() - known.read_at < _REMOTE_SECONDS

    async def _record_use(self, known: _Known) -> None:
        known.last_used_at = now = int(time.time())
        try:
            async with self._database.writing() as session:
                await api_keys.record_use(session, known.holder.principal, now)
        except DBAPIError as error:  # a full disk shall not keep anybody from an answer
            log.warning("The use of an API key is not recorded", error=str(error.orig))
