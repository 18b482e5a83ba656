"""The hashes of passwords; a user has at most one."""

from __future__ import annotations

import time

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.scope import Scope
from aquilon.people.tables import Password, User


async def password_hash(session: AsyncSession, user: User) -> str | None:
    scope = Scope(user.organization_id, user.id)
    password = await session.scalar(scope.select(Password))
    return None if password is None else password.hash


async def set_password_hash(session: AsyncSession, user: User, hash_: str) -> None:
    scope, now = Scope(user.organization_id, user.id), int(time.time())
    password = await session.scalar(scope.select(Password))
    if password is None:
        session.add(Password(user_id=user.id, organization_id=user.organization_id, hash=hash_, set_at=now))
    else:
        password.hash, password.set_at = hash_, now
    await session.flush()


async def remove_password(session: AsyncSession, user: User) -> None:
    await session.execute(Scope(user.organization_id, user.id).delete(Password))
