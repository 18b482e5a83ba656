"""Budgets and what was spent of them."""

from __future__ import annotations

import time
from typing import cast

from sqlalchemy import func, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.budgets import Budget, BudgetPeriod, period_start
from aquilon.money.budgets import Scope as BudgetScope
from aquilon.money.tables import BudgetSpending, StoredBudget, UsageTotal
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id


async def budgets(session: AsyncSession, scope: Scope) -> list[Budget]:
    """The organization's, oldest first."""
    query = scope.select(StoredBudget).order_by(StoredBudget.created_at, StoredBudget.id)
    return [_budget(row) for row in await session.scalars(query)]


async def set_budget(
    session: AsyncSession, scope: Scope, what: BudgetScope, scope_id: str, period: BudgetPeriod, amount: int
) -> Budget:
    """Give the organization, one of its workspaces or keys an amount in millionths of a cent, or change it.

    A new budget of a period counts what was spent in that period before it was made.
    Raises ValueError for a negative amount.
    """
    if amount < 0:
        raise ValueError("A budget can't be less than 0")
    row = await session.scalar(
        scope.select(StoredBudget).where(
            StoredBudget.scope == what, StoredBudget.scope_id == scope_id, StoredBudget.period == period
        )
    )
    if row is not None:
        row.amount = amount
        await session.flush()
        return _budget(row)
    now = int(time.time())
    row = StoredBudget(
        id=new_id("budget"),
        organization_id=scope.organization_id,
        scope=what,
        scope_id=scope_id,
        period=period,
        amount=amount,
        created_at=now,
    )
    session.add(row)
    if period != "once":
        starts_at = period_start(period, now)
        spent = await _used(session, scope, what, scope_id, since=starts_at)
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
    """What was spent of each budget in the period that starts then, 0 where nothing was."""
    query = scope.select(BudgetSpending).where(tuple_(BudgetSpending.budget_id, BudgetSpending.starts_at).in_(lines))
    found = {(row.budget_id, row.starts_at): row.spent for row in await session.scalars(query)}
    return {line: found.get(line, 0) for line in lines}


async def _used(session: AsyncSession, scope: Scope, what: BudgetScope, scope_id: str, *, since: int) -> int:
    column = {
        "organization": UsageTotal.organization_id,
        "workspace": UsageTotal.workspace_id,
        "key": UsageTotal.api_key_id,
    }[what]
    query = scope.select(UsageTotal).where(UsageTotal.span == "day", UsageTotal.starts_at >= since, column == scope_id)
    total = await session.scalar(query.with_only_columns(func.coalesce(func.sum(UsageTotal.cost), 0)))
    return int(total or 0)


def _budget(row: StoredBudget) -> Budget:
    return Budget(row.id, cast(BudgetScope, row.scope), row.scope_id, cast(BudgetPeriod, row.period), row.amount)
