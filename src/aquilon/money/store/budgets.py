"""Queries over budgets and their spending."""

from __future__ import annotations

import time
from typing import cast

from sqlalchemy import func, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import Refusal
from aquilon.money.budgets import Budget, BudgetPeriod, SubjectKind, period_start
from aquilon.money.tables import BudgetSpending, StoredBudget, UsageTotal
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id


async def budgets(session: AsyncSession, scope: Scope) -> list[Budget]:
    """The organization's budgets, oldest first."""
    query = scope.select(StoredBudget).order_by(StoredBudget.created_at, StoredBudget.id)
    return [_budget(row) for row in await session.scalars(query)]


async def budget_by_id(session: AsyncSession, scope: Scope, budget_id: str) -> Budget | None:
    row = await session.scalar(scope.select(StoredBudget).where(StoredBudget.id == budget_id))
    return None if row is None else _budget(row)


async def budget_of(
    session: AsyncSession, scope: Scope, *, subject_kind: SubjectKind, subject_id: str, period: BudgetPeriod
) -> Budget | None:
    """The budget of the organization, one of its workspaces or keys for this kind of period."""
    row = await _row_of(session, scope, subject_kind=subject_kind, subject_id=subject_id, period=period)
    return None if row is None else _budget(row)


async def set_budget(
    session: AsyncSession,
    scope: Scope,
    *,
    subject_kind: SubjectKind,
    subject_id: str,
    period: BudgetPeriod,
    amount: int,
) -> Budget:
    """Set the budget of the organization, one of its workspaces or keys to ``amount`` millionths of a cent.

    A new budget of a period counts what was already spent in that period. Raises
    ValueError for a negative amount.
    """
    if amount < 0:
        raise Refusal("A budget can't be less than 0", code="budget_negative")
    row = await _row_of(session, scope, subject_kind=subject_kind, subject_id=subject_id, period=period)
    if row is not None:
        row.amount = amount
        await session.flush()
        return _budget(row)
    now = int(time.time())
    row = StoredBudget(
        id=new_id("budget"),
        organization_id=scope.organization_id,
        scope=subject_kind,
        scope_id=subject_id,
        period=period,
        amount=amount,
        created_at=now,
    )
    session.add(row)
    if period != "once":
        starts_at = period_start(period, now)
        spent = await _spent_since(session, scope, subject_kind=subject_kind, subject_id=subject_id, since=starts_at)
        session.add(
            BudgetSpending(budget_id=row.id, starts_at=starts_at, organization_id=scope.organization_id, spent=spent)
        )
    await session.flush()
    return _budget(row)


async def remove_budget(session: AsyncSession, scope: Scope, budget_id: str) -> bool:
    """True if the organization had such a budget."""
    row = await session.scalar(scope.select(StoredBudget).where(StoredBudget.id == budget_id))
    if row is None:
        return False
    await session.delete(row)
    await session.execute(scope.delete(BudgetSpending).where(BudgetSpending.budget_id == budget_id))
    return True


async def spending(session: AsyncSession, scope: Scope, lines: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """What was spent of each line, a budget's id and the start of a period; 0 if nothing was."""
    query = scope.select(BudgetSpending).where(tuple_(BudgetSpending.budget_id, BudgetSpending.starts_at).in_(lines))
    spent = {(row.budget_id, row.starts_at): row.spent for row in await session.scalars(query)}
    return {line: spent.get(line, 0) for line in lines}


async def _row_of(
    session: AsyncSession, scope: Scope, *, subject_kind: SubjectKind, subject_id: str, period: BudgetPeriod
) -> StoredBudget | None:
    row: StoredBudget | None = await session.scalar(
        scope.select(StoredBudget).where(
            StoredBudget.scope == subject_kind, StoredBudget.scope_id == subject_id, StoredBudget.period == period
        )
    )
    return row


async def _spent_since(
    session: AsyncSession, scope: Scope, *, subject_kind: SubjectKind, subject_id: str, since: int
) -> int:
    column = {
        "organization": UsageTotal.organization_id,
        "workspace": UsageTotal.workspace_id,
        "key": UsageTotal.api_key_id,
    }[subject_kind]
    query = scope.select(UsageTotal)
    query = query.where(UsageTotal.span == "day", UsageTotal.starts_at >= since, column == subject_id)
    total = await session.scalar(query.with_only_columns(func.coalesce(func.sum(UsageTotal.cost), 0)))
    return int(total or 0)


def _budget(row: StoredBudget) -> Budget:
    return Budget(
        id=row.id,
        subject_kind=cast(SubjectKind, row.scope),
        subject_id=row.scope_id,
        period=cast(BudgetPeriod, row.period),
        limit=row.amount,
    )
