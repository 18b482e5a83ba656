"""Queries over limits: one row for each subject (organization, workspace or key) and model, or all models."""

from __future__ import annotations

import time
from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.budgets import SubjectKind
from aquilon.money.limits import Limit
from aquilon.money.tables import StoredLimit
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id


async def limits(session: AsyncSession, scope: Scope) -> list[Limit]:
    """The organization's limits, oldest first."""
    query = scope.select(StoredLimit).order_by(StoredLimit.created_at, StoredLimit.id)
    return [_limit(row) for row in await session.scalars(query)]


async def limit_by_id(session: AsyncSession, scope: Scope, limit_id: str) -> Limit | None:
    row = await session.scalar(scope.select(StoredLimit).where(StoredLimit.id == limit_id))
    return None if row is None else _limit(row)


async def limit_of(
    session: AsyncSession, scope: Scope, *, subject_kind: SubjectKind, subject_id: str, model: str
) -> Limit | None:
    """The limit of the organization, a workspace or a key for a model, or for all models if ``model`` is empty."""
    row = await _row_of(session, scope, subject_kind=subject_kind, subject_id=subject_id, model=model)
    return None if row is None else _limit(row)


async def set_limit(
    session: AsyncSession,
    scope: Scope,
    *,
    subject_kind: SubjectKind,
    subject_id: str,
    model: str,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    parallel_requests: int | None,
) -> Limit:
    """Set or replace the limit of the organization, one of its workspaces or keys."""
    row = await _row_of(session, scope, subject_kind=subject_kind, subject_id=subject_id, model=model)
    if row is None:
        row = StoredLimit(
            id=new_id("limit"),
            organization_id=scope.organization_id,
            scope=subject_kind,
            scope_id=subject_id,
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
    """Remove a limit and return it; None if the organization has no such limit."""
    row = await session.scalar(scope.select(StoredLimit).where(StoredLimit.id == limit_id))
    if row is None:
        return None
    await session.delete(row)
    await session.flush()
    return _limit(row)


async def _row_of(
    session: AsyncSession, scope: Scope, *, subject_kind: SubjectKind, subject_id: str, model: str
) -> StoredLimit | None:
    row: StoredLimit | None = await session.scalar(
        scope.select(StoredLimit).where(
            StoredLimit.scope == subject_kind, StoredLimit.scope_id == subject_id, StoredLimit.model == model
        )
    )
    return row


def _limit(row: StoredLimit) -> Limit:
    return Limit(
        id=row.id,
        subject_kind=cast(SubjectKind, row.scope),
        subject_id=row.scope_id,
        model=row.model,
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        parallel_requests=row.parallel_requests,
    )
