"""Queries over an organization's switches."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.tables.switches import ChatSwitches
from aquilon.people.scope import Scope


async def of_organization(session: AsyncSession, scope: Scope) -> ChatSwitches | None:
    return await session.scalar(scope.select(ChatSwitches))
