"""The hashes of passwords, one a user at most."""

from __future__ import annotations

import time

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.identity_tables import Password
from aquilon.people.scope import Scope
from aquilon.people.tables import User


async def password_hash(session: AsyncSession, user: User) -> str | None:
    scope = Scope(user.organization_id, user.id)
    found = await session.scalar(scope.select(Password))
    return None if found is None else found.hash


async def set_password_hash(session: AsyncSession, user: User, hash_: str) -> None:
    scope, now = Scope(user.organization_id, user.id), int(time.time())
    found = await session.scalar(scope.select(Password))
    if found is None:
        session.add(Password(user_id=user.id, organization_id=user.organization_id, hash=hash_, set_at=now))
    else:
        found.hash, found.set_at = hash_, now
    await session.flush()


async def remove_password(session: AsyncSession, user: User) -> None:
    await session.execute(Scope(user.organization_id, user.id).delete(Password))
