"""Queries over the quotas of persons and what was used of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.budgets import period_start
from aquilon.money.person_quotas import UNITS, PersonQuota, QuotaPeriod
from aquilon.money.tables import BudgetSpending, StoredPersonQuota, UsageTotal
from aquilon.people.scope import Everyone, Scope
from aquilon.people.secrets import new_id

_PREFIX = "quota"
_KEPT_SECONDS = 40 * 86_400


async def quotas(session: AsyncSession, scope: Scope) -> list[PersonQuota]:
    """The organization's quotas and exceptions, oldest first."""
    query = Scope(scope.organization_id).select(StoredPersonQuota)
    rows = await session.scalars(query.order_by(StoredPersonQuota.created_at, StoredPersonQuota.id))
    return [_quota(row) for row in rows]


async def quota_by_id(session: AsyncSession, scope: Scope, quota_id: str) -> PersonQuota | None:
    row = await session.scalar(scope.select(StoredPersonQuota).where(StoredPersonQuota.id == quota_id))
    return None if row is None else _quota(row)


async def set_quota(
    session: AsyncSession,
    scope: Scope,
    *,
    workspace_id: str,
    user_id: str,
    period: QuotaPeriod,
    messages: int | None,
    tokens: int | None,
    cost: int | None,
) -> PersonQuota:
    """Set a quota in place of the former one. What was used in the present period counts.

    It has a new id, under which the use of each person is counted anew from the usage that is recorded.
    """
    former = await _quota_of(session, scope, workspace_id, user_id=user_id, period=period)
    if former is not None:
        await _remove(session, scope, former.id)
    now = int(time.time())
    row = StoredPersonQuota(
        id=new_id(_PREFIX),
        organization_id=scope.organization_id,
        workspace_id=workspace_id,
        user_id=user_id,
        period=period,
        messages=messages,
        tokens=tokens,
        cost=cost,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    await _count_present_use(session, scope, _quota(row), now)
    return _quota(row)


async def remove_quota(session: AsyncSession, scope: Scope, quota_id: str) -> PersonQuota | None:
    """Remove a quota and return it; None if the organization has no such quota.

    Without an exception, its person's use counts in the quota for everybody, which is set anew: it has not counted it.
    """
    removed = await _remove(session, scope, quota_id)
    if removed is not None and removed.user_id:
        everybodys = await _quota_of(session, scope, removed.workspace_id, user_id="", period=removed.period)
        if everybodys is not None:
            await set_quota(
                session,
                scope,
                workspace_id=everybodys.workspace_id,
                user_id="",
                period=everybodys.period,
                messages=everybodys.messages,
                tokens=everybodys.tokens,
                cost=everybodys.cost,
            )
    return removed


async def _remove(session: AsyncSession, scope: Scope, quota_id: str) -> PersonQuota | None:
    row = await session.scalar(scope.select(StoredPersonQuota).where(StoredPersonQuota.id == quota_id))
    if row is None:
        return None
    await session.delete(row)
    await session.flush()
    lines = scope.delete(BudgetSpending).where(BudgetSpending.budget_id.startswith(f"{quota_id}/", autoescape=True))
    await session.execute(lines)
    return _quota(row)


async def _quota_of(
    session: AsyncSession, scope: Scope, workspace_id: str, *, user_id: str, period: QuotaPeriod
) -> PersonQuota | None:
    query = scope.select(StoredPersonQuota).where(
        StoredPersonQuota.workspace_id == workspace_id,
        StoredPersonQuota.user_id == user_id,
        StoredPersonQuota.period == period,
    )
    row = await session.scalar(query)
    return None if row is None else _quota(row)


async def remove_exceptions(session: AsyncSession, scope: Scope, user_id: str) -> int:
    """Remove a person's exceptions; returns how many there were."""
    query = scope.select(StoredPersonQuota).where(StoredPersonQuota.user_id == user_id)
    ids = [row.id for row in await session.scalars(query)]
    for quota_id in ids:
        await remove_quota(session, scope, quota_id)
    return len(ids)


async def prune(session: AsyncSession, *, most: int) -> int:
    """Delete some counts of past days and months; returns how many."""
    old = Everyone.select(BudgetSpending).where(
        BudgetSpending.budget_id.startswith(f"{_PREFIX}_", autoescape=True),
        BudgetSpending.starts_at < int(time.time()) - _KEPT_SECONDS,
    )
    rows = await session.execute(
        old.with_only_columns(BudgetSpending.organization_id, BudgetSpending.budget_id, BudgetSpending.starts_at).limit(
            most
        )
    )
    deleted = 0
    for organization_id, budget_id, starts_at in rows:
        line = BudgetSpending.budget_id == budget_id, BudgetSpending.starts_at == starts_at
        await session.execute(Scope(organization_id).delete(BudgetSpending).where(*line))
        deleted += 1
    return deleted


async def _count_present_use(session: AsyncSession, scope: Scope, quota: PersonQuota, now: int) -> None:
    starts_at = period_start(quota.period, now)
    query = scope.select(UsageTotal).where(UsageTotal.span == "day", UsageTotal.starts_at >= starts_at)
    if quota.workspace_id:
        query = query.where(UsageTotal.workspace_id == quota.workspace_id)
    if quota.user_id:
        query = query.where(UsageTotal.user_id == quota.user_id)
    sums = (
        func.sum(UsageTotal.requests),
        func.sum(UsageTotal.prompt_tokens + UsageTotal.completion_tokens),
        func.sum(UsageTotal.cost),
    )
    rows: Sequence[tuple[str, int, int, int]] = (
        await session.execute(query.with_only_columns(UsageTotal.user_id, *sums).group_by(UsageTotal.user_id))
    ).all()
    session.add_all(
        BudgetSpending(
            budget_id=f"{quota.id}/{user_id}/{unit}",
            starts_at=starts_at,
            organization_id=scope.organization_id,
            spent=int(amount),
        )
        for user_id, *amounts in rows
        for unit, amount in zip(UNITS, amounts, strict=True)
        if amount and quota.limit_of(unit) is not None
    )
    await session.flush()


def _quota(row: StoredPersonQuota) -> PersonQuota:
    return PersonQuota(
        id=row.id,
        workspace_id=row.workspace_id,
        user_id=row.user_id,
        period=cast(QuotaPeriod, row.period),
        messages=row.messages,
        tokens=row.tokens,
        cost=row.cost,
    )
