"""Budgets: who may keep them, and how they stand."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.platform.administration.access import no_such
from aquilon.platform.domain.budgets import Budget, BudgetPeriod, period_end, period_start
from aquilon.platform.domain.budgets import Scope as BudgetScope
from aquilon.platform.domain.identity import Principal
from aquilon.platform.domain.permissions import require
from aquilon.platform.storage import Database, api_keys, audit, budgets, workspaces
from aquilon.platform.storage.scope import Scope


@dataclass(frozen=True)
class BudgetStanding:
    """A budget with the name of whose it is, and what was spent in its present period; millionths of a cent."""

    budget: Budget
    name: str
    spent: int
    resets_at: int | None
    """None for prepaid credit."""


async def list_budgets(database: Database, principal: Principal) -> list[BudgetStanding]:
    """Raises ApiError 403."""
    require(principal, "usage.read")
    scope, now = Scope.of_organization(principal), int(time.time())
    async with database.reading() as session:
        found = await budgets.budgets(session, scope)
        lines = [(budget.id, period_start(budget.period, now)) for budget in found]
        spent = await budgets.spending(session, scope, lines)
        return [
            BudgetStanding(budget, await _name(session, principal, budget), spent[line], period_end(budget.period, now))
            for budget, line in zip(found, lines, strict=True)
        ]


async def set_budget(
    database: Database,
    principal: Principal,
    period: BudgetPeriod,
    amount: int,
    *,
    workspace: str | None = None,
    key: str | None = None,
) -> Budget:
    """For a workspace (name or id), a key (id or prefix), or else the whole organization.

    Raises ApiError 403 or 404, LookupError for an unknown key, ValueError for a negative amount.
    """
    require(principal, "billing.manage")
    scope = Scope.of_organization(principal)
    what: BudgetScope = "organization"
    async with database.writing(alone=True) as session:
        scope_id = principal.organization_id
        if key is not None:
            what, scope_id = "key", (await api_keys.api_key_like(session, scope, key)).id
        elif workspace is not None:
            found = await workspaces.workspace_by(session, scope, workspace)
            if found is None:
                raise no_such("workspace", workspace)
            what, scope_id = "workspace", found.id
        budget = await budgets.set_budget(session, scope, what, scope_id, period, amount)
        name = await _name(session, principal, budget)
        await audit.record(session, principal, "budget.set", budget.id, name, period=period, microcents=amount)
        return budget


async def remove_budget(database: Database, principal: Principal, budget_id: str) -> None:
    """Raises ApiError 403 or 404."""
    require(principal, "billing.manage")
    async with database.writing(alone=True) as session:
        if not await budgets.remove_budget(session, Scope.of_organization(principal), budget_id):
            raise no_such("budget", budget_id)
        await audit.record(session, principal, "budget.removed", budget_id, budget_id)


async def _name(session: AsyncSession, principal: Principal, budget: Budget) -> str:
    scope = Scope.of_organization(principal)
    if budget.scope == "key":
        key = await api_keys.api_key_by_id(session, scope, budget.scope_id)
        return budget.scope_id if key is None else key.name
    if budget.scope == "workspace":
        workspace = await workspaces.workspace_by(session, scope, budget.scope_id)
        return budget.scope_id if workspace is None else workspace.name
    return principal.organization_name
