"""A cache of the holders of keys and sessions: the look-up is the most expensive part of authenticating a request."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.log import get_logger
from aquilon.people.secrets import fingerprint
from aquilon.people.store import api_keys, sessions
from aquilon.people.store.api_keys import KeyHolder
from aquilon.people.store.sessions import SessionHolder
from aquilon.storage import Database
from aquilon.storage.changes import Moment

_MAX_HOLDERS = 10_000
_REMOTE_SECONDS = 5.0
"""How long a change on another machine may be unknown here while PostgreSQL's notifications don't arrive."""
_USE_RECORDED_EVERY = 60
"""Seconds: a busy key costs one write per minute, not one per request."""

log = get_logger("aquilon.auth")


class Holder(Protocol):
    """Times are in seconds since 1970."""

    @property
    def expires_at(self) -> int | None: ...

    @property
    def last_used_at(self) -> int | None: ...


H = TypeVar("H", bound=Holder)


@dataclass
class _Entry(Generic[H]):
    holder: H
    read: Moment
    last_used_at: int | None


class HolderCache(Generic[H]):
    """The next request sees every change to keys, sessions, people or workspaces by any process on this home."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entries: OrderedDict[str, _Entry[H]] = OrderedDict()

    async def find(self, session: AsyncSession, secret: str) -> H | None:
        raise NotImplementedError

    async def record_use(self, session: AsyncSession, holder: H, at: int) -> None:
        raise NotImplementedError

    async def of(self, secret: str) -> H | None:
        """The secret's holder, None if the secret is not valid now. Its use is recorded once a minute."""
        digest = fingerprint(secret)
        entry = self._entries.get(digest)
        if entry is None or not self._is_current(entry):
            self._entries.pop(digest, None)
            moment = self._database.changes.now()
            async with self._database.reading() as session:
                holder = await self.find(session, secret)
            if holder is None:
                return None
            entry = _Entry(holder, moment, holder.last_used_at)
            self._entries[digest] = entry
            if len(self._entries) > _MAX_HOLDERS:
                self._entries.popitem(last=False)
        if entry.last_used_at is None or entry.last_used_at <= int(time.time()) - _USE_RECORDED_EVERY:
            await self._record_use(entry)
        return entry.holder

    def _is_current(self, entry: _Entry[H]) -> bool:
        if entry.holder.expires_at is not None and entry.holder.expires_at <= time.time():
            return False
        return self._database.changes.none_since(entry.read, unheard=_REMOTE_SECONDS)

    async def _record_use(self, entry: _Entry[H]) -> None:
        entry.last_used_at = now = int(time.time())
        try:
            async with self._database.writing() as session:
                await self.record_use(session, entry.holder, now)
        except DBAPIError as error:  # a full disk must not fail the request
            log.warning("The use of a key or session is not recorded", error=str(error.orig))


class KeyHolders(HolderCache[KeyHolder]):
    async def find(self, session: AsyncSession, secret: str) -> KeyHolder | None:
        return await api_keys.holder_of(session, secret)

    async def record_use(self, session: AsyncSession, holder: KeyHolder, at: int) -> None:
        await api_keys.record_use(session, holder, at)


class SessionHolders(HolderCache[SessionHolder]):
    async def find(self, session: AsyncSession, secret: str) -> SessionHolder | None:
        return await sessions.holder_of(session, secret)

    async def record_use(self, session: AsyncSession, holder: SessionHolder, at: int) -> None:
        await sessions.record_use(session, holder, at)
