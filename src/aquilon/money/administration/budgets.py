"""Budgets: who may keep them, and how they stand."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aquilon.errors import forbidden
from aquilon.money.administration.subjects import own_subjects, subject, subject_name
from aquilon.money.budgets import Budget, BudgetPeriod, period_end, period_start
from aquilon.money.store import budgets
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.permissions import permits, require, require_scope
from aquilon.people.scope import Scope
from aquilon.people.store import audit
from aquilon.storage import Database


@dataclass(frozen=True)
class BudgetStanding:
    """A budget with the name of whose it is, and what was spent in its present period; millionths of a cent."""

    budget: Budget
    name: str
    spent: int
    resets_at: int | None
    """None for prepaid credit."""


async def list_budgets(database: Database, principal: Principal) -> list[BudgetStanding]:
    """All of the organization's for those who read its usage; else those of one's own keys and of one's workspaces.

    Raises ApiError 403 for a key that isn't for usage.
    """
    require_scope(principal, "usage.read")
    scope, now = Scope.of_organization(principal), int(time.time())
    async with database.reading() as session:
        found = await budgets.budgets(session, scope)
        if not permits(principal.role, None, "usage.read"):
            seen = await own_subjects(session, principal)
            found = [budget for budget in found if budget.scope_id in seen]
        lines = [(budget.id, period_start(budget.period, now)) for budget in found]
        spent = await budgets.spending(session, scope, lines)
        return [
            BudgetStanding(
                budget,
                await subject_name(session, principal, budget),
                spent[line],
                period_end(budget.period, now),
            )
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

    An organization's own is what it bought: the operator alone sets it. Raises
    ApiError 403 or 404, LookupError for an unknown key, ValueError for a negative amount.
    """
    require(principal, "billing.manage")
    if key is None and workspace is None:
        _require_to_be_the_seller(principal)
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        what, scope_id = await subject(session, principal, workspace=workspace, key=key)
        budget = await budgets.set_budget(session, scope, what, scope_id, period, amount)
        name = await subject_name(session, principal, budget)
        await audit.record(session, principal, "budget.set", budget.id, name, period=period, microcents=amount)
        return budget


async def remove_budget(database: Database, principal: Principal, budget_id: str) -> None:
    """Raises ApiError 403 or 404."""
    require(principal, "billing.manage")
    async with database.writing(alone=True) as session:
        found = await budgets.budgets(session, Scope.of_organization(principal))
        if any(budget.id == budget_id and budget.scope == "organization" for budget in found):
            _require_to_be_the_seller(principal)
        if not await budgets.remove_budget(session, Scope.of_organization(principal), budget_id):
            raise no_such("budget", budget_id)
        await audit.record(session, principal, "budget.removed", budget_id, budget_id)


def _require_to_be_the_seller(principal: Principal) -> None:
    if not principal.operates:
        raise forbidden(
            "Only the organization that runs this server sets what an organization may spend; set budgets of "
            "workspaces and keys within it",
            code="not_the_operator",
        )
