"""Queries over the quotas of persons and what was used of them."""

from __future__ import annotations

import time
from typing import Any, cast

from sqlalchemy import Select, func, not_, or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.budgets import period_start
from aquilon.money.person_quotas import NO_MESSAGES, PersonQuota, QuotaPeriod, QuotaUnit
from aquilon.money.tables import BudgetSpending, StoredPersonQuota, StoredUsageEvent, UsageTotal
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
    used = dict(await _totals(session, scope, quota, starts_at))
    used["messages"] = await _messages(session, scope, quota, starts_at) if quota.messages is not None else {}
    session.add_all(
        BudgetSpending(
            budget_id=f"{quota.id}/{user_id}/{unit}",
            starts_at=starts_at,
            organization_id=scope.organization_id,
            spent=int(amount),
        )
        for unit, amounts in used.items()
        for user_id, amount in amounts.items()
        if amount and quota.limit_of(unit) is not None
    )
    await session.flush()


async def _totals(
    session: AsyncSession, scope: Scope, quota: PersonQuota, starts_at: int
) -> dict[QuotaUnit, dict[str, int]]:
    """Tokens and cost of each person."""
    table = UsageTotal
    query = _of_quota(scope.select(table).where(table.span == "day", table.starts_at >= starts_at), table, quota)
    sums = func.sum(table.prompt_tokens + table.completion_tokens), func.sum(table.cost)
    rows = (await session.execute(query.with_only_columns(table.user_id, *sums).group_by(table.user_id))).all()
    return {"tokens": {row[0]: row[1] for row in rows}, "cost": {row[0]: row[2] for row in rows}}


async def _messages(session: AsyncSession, scope: Scope, quota: PersonQuota, starts_at: int) -> dict[str, int]:
    """How many answers each person got that count as messages, as settlement counts them: no embedding is one."""
    table = StoredUsageEvent
    aside = or_(*(table.request_id.startswith(f"{prefix}_", autoescape=True) for prefix in NO_MESSAGES))
    query = scope.select(table).where(
        table.ended_at >= starts_at,
        table.completion_tokens > 0,
        or_(table.outcome == "completed", not_(table.batch)),
        not_(aside),
    )
    counted = _of_quota(query, table, quota).with_only_columns(table.user_id, func.count()).group_by(table.user_id)
    return {row[0]: row[1] for row in await session.execute(counted)}


def _of_quota(query: Select[Any], table: type[StoredUsageEvent | UsageTotal], quota: PersonQuota) -> Select[Any]:
    if quota.workspace_id:
        query = query.where(table.workspace_id == quota.workspace_id)
    if quota.user_id:
        query = query.where(table.user_id == quota.user_id)
    return query


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
