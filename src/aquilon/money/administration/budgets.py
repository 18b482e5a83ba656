"""Budgets: who may keep them, and how they stand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import forbidden
from aquilon.money.administration.subjects import may_see, own_subjects, subject, subject_name
from aquilon.money.budgets import Budget, BudgetPeriod, SubjectKind, period_end, period_start
from aquilon.money.store import budgets
from aquilon.money.store.prices import price_lists
from aquilon.people.administration.access import no_such
from aquilon.people.administration.key_bounds import refuse_loosening
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
    priced_models: frozenset[str]
    """Those whose tokens cost something now: the others spend nothing of it."""


async def list_budgets(database: Database, principal: Principal) -> list[BudgetStanding]:
    """All of the organization's for those who read its usage; else those of one's own keys and of one's workspaces.

    Raises ApiError 403 for a key that isn't for usage.
    """
    require_scope(principal, "usage.read")
    async with database.reading() as session:
        found = await budgets.budgets(session, Scope.of_organization(principal))
        if not permits(principal.role, None, "usage.read"):
            seen = await own_subjects(session, principal)
            found = [budget for budget in found if budget.scope_id in seen]
        return await _standings(session, principal, found)


async def get_budget(database: Database, principal: Principal, budget_id: str) -> BudgetStanding:
    """One of those that `list_budgets` gives. Raises ApiError 403 or 404."""
    require_scope(principal, "usage.read")
    async with database.reading() as session:
        found = await budgets.budget_by_id(session, Scope.of_organization(principal), budget_id)
        if found is None or not await may_see(session, principal, found):
            raise no_such("budget", budget_id)
        [standing] = await _standings(session, principal, [found])
        return standing


async def set_budget(
    database: Database,
    principal: Principal,
    period: BudgetPeriod,
    amount: int,
    *,
    workspace: str | None = None,
    key: str | None = None,
) -> BudgetStanding:
    """For a workspace (name or id), a key (id or prefix), or else the whole organization.

    An organization's own is what it bought: the operator alone sets it. Raises
    ApiError 403 or 404, LookupError for an unknown key, ValueError for a negative amount.
    """
    require(principal, "billing.manage")
    async with database.writing(alone=True) as session:
        what, scope_id = await subject(session, principal, workspace=workspace, key=key)
        return await _set(session, principal, what, scope_id, period, amount)


async def change_budget(database: Database, principal: Principal, budget_id: str, amount: int) -> BudgetStanding:
    """Another amount for a budget; what was spent of it stays. Raises ApiError 403 or 404, ValueError."""
    require(principal, "billing.manage")
    async with database.writing(alone=True) as session:
        found = await budgets.budget_by_id(session, Scope.of_organization(principal), budget_id)
        if found is None:
            raise no_such("budget", budget_id)
        return await _set(session, principal, found.scope, found.scope_id, found.period, amount)


async def remove_budget(database: Database, principal: Principal, budget_id: str) -> None:
    """Raises ApiError 403 or 404."""
    require(principal, "billing.manage")
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        found = await budgets.budget_by_id(session, scope, budget_id)
        if found is None:
            raise no_such("budget", budget_id)
        if found.scope == "organization":
            _require_to_be_the_seller(principal)
        refuse_loosening(principal, "budget", found.scope, scope_id=found.scope_id, loosens=True)
        await budgets.remove_budget(session, scope, budget_id)
        await audit.record(session, principal, "budget.removed", object_id=budget_id, object_name=budget_id)


async def _set(
    session: AsyncSession, principal: Principal, what: SubjectKind, scope_id: str, period: BudgetPeriod, amount: int
) -> BudgetStanding:
    if what == "organization":
        _require_to_be_the_seller(principal)
    scope = Scope.of_organization(principal)
    former = await budgets.budget_of(session, scope, what, scope_id, period)
    refuse_loosening(principal, "budget", what, scope_id=scope_id, loosens=former is not None and amount > former.limit)
    budget = await budgets.set_budget(session, scope, what, scope_id, period, amount)
    [standing] = await _standings(session, principal, [budget])
    await audit.record(
        session,
        principal,
        "budget.set",
        object_id=budget.id,
        object_name=standing.name,
        period=period,
        microcents=amount,
    )
    return standing


async def _standings(session: AsyncSession, principal: Principal, found: Sequence[Budget]) -> list[BudgetStanding]:
    now = int(time.time())
    lines = [(budget.id, period_start(budget.period, now)) for budget in found]
    spent = await budgets.spending(session, Scope.of_organization(principal), lines)
    lists = await price_lists(session) if found else {}
    priced = frozenset(
        model for model, prices in lists.items() if (price := prices.at(now)) and any(price.rates.values())
    )
    return [
        BudgetStanding(
            budget, await subject_name(session, principal, budget), spent[line], period_end(budget.period, now), priced
        )
        for budget, line in zip(found, lines, strict=True)
    ]


def _require_to_be_the_seller(principal: Principal) -> None:
    if not principal.operates:
        raise forbidden(
            "Only the organization that runs this server sets what an organization may spend; set budgets of "
            "workspaces and keys within it",
            code="not_the_operator",
        )
