"""Limits as they are stored: one row for an organization, a workspace or a key, and a model or all."""

from __future__ import annotations

import time
from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.budgets import Scope as LimitScope
from aquilon.money.limits import Limit
from aquilon.money.limits_tables import StoredLimit
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id


async def limits(session: AsyncSession, scope: Scope) -> list[Limit]:
    """The organization's, oldest first."""
    query = scope.select(StoredLimit).order_by(StoredLimit.created_at, StoredLimit.id)
    return [_limit(row) for row in await session.scalars(query)]


async def set_limit(
    session: AsyncSession,
    scope: Scope,
    what: LimitScope,
    scope_id: str,
    model: str,
    *,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    parallel_requests: int | None,
) -> Limit:
    """Give the organization, one of its workspaces or keys a limit, or put it in the place of the one it has."""
    row = await session.scalar(
        scope.select(StoredLimit).where(
            StoredLimit.scope == what, StoredLimit.scope_id == scope_id, StoredLimit.model == model
        )
    )
    if row is None:
        row = StoredLimit(
            id=new_id("limit"),
            organization_id=scope.organization_id,
            scope=what,
            scope_id=scope_id,
            model=model,
            created_at=int(time.time()),
        )
        session.add(row)
    row.requests_per_minute = requests_per_minute
    row.tokens_per_minute = tokens_per_minute
    row.parallel_requests = parallel_requests
    await session.flush()
    return _limit(row)


async def remove_limit(session: AsyncSession, scope: Scope, limit_id: str) -> Limit | None:
    """The limit that was; None if the organization had no such one."""
    row = await session.scalar(scope.select(StoredLimit).where(StoredLimit.id == limit_id))
    if row is None:
        return None
    await session.delete(row)
    await session.flush()
    return _limit(row)


def _limit(row: StoredLimit) -> Limit:
    return Limit(
        row.id,
        cast(LimitScope, row.scope),
        row.scope_id,
        row.model,
        row.requests_per_minute,
        row.tokens_per_minute,
        row.parallel_requests,
    )
