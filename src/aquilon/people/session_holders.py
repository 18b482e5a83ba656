"""Whom a session's cookie stands for."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.holders import Remembered
from aquilon.people.store import sessions
from aquilon.people.store.sessions import SessionHolder


class SessionHolders(Remembered[SessionHolder]):
    async def find(self, session: AsyncSession, secret: str) -> SessionHolder | None:
        return await sessions.holder_of(session, secret)

    async def record_use(self, session: AsyncSession, holder: SessionHolder, at: int) -> None:
        await sessions.record_use(session, holder, at)
