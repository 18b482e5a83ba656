"""Whom an API key stands for."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.holders import Remembered
from aquilon.people.store import api_keys
from aquilon.people.store.api_keys import KeyHolder


class KeyHolders(Remembered[KeyHolder]):
    async def find(self, session: AsyncSession, secret: str) -> KeyHolder | None:
        return await api_keys.holder_of(session, secret)

    async def record_use(self, session: AsyncSession, holder: KeyHolder, at: int) -> None:
        await api_keys.record_use(session, holder, at)
