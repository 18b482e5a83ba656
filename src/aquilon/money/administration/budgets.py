"""Setting and listing budgets, with what was spent of them."""

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


@dataclass(frozen=True, kw_only=True)
class BudgetStanding:
    """A budget, its subject's name, and what was spent in its present period in millionths of a cent."""

    budget: Budget
    name: str
    spent: int
    resets_at: int | None
    """None for prepaid credit."""
    priced_models: frozenset[str]
    """The models whose tokens cost something now. Others spend nothing of the budget."""


async def list_budgets(database: Database, principal: Principal) -> list[BudgetStanding]:
    """All budgets of the organization if the caller may read its usage, otherwise those that `own_subjects` names.

    Raises ApiError 403 for a key without the scope ``usage.read``.
    """
    require_scope(principal, "usage.read")
    async with database.reading() as session:
        visible = await budgets.budgets(session, Scope.of_organization(principal))
        if not permits(principal.role, None, "usage.read"):
            subject_ids = await own_subjects(session, principal)
            visible = [budget for budget in visible if budget.subject_id in subject_ids]
        return await _standings(session, principal, visible)


async def get_budget(database: Database, principal: Principal, budget_id: str) -> BudgetStanding:
    """One of the budgets that `list_budgets` returns. Raises ApiError 403 or 404."""
    require_scope(principal, "usage.read")
    async with database.reading() as session:
        budget = await budgets.budget_by_id(session, Scope.of_organization(principal), budget_id)
        if budget is None or not await may_see(session, principal, budget):
            raise no_such("budget", budget_id)
        [standing] = await _standings(session, principal, [budget])
        return standing


async def set_budget(
    database: Database,
    principal: Principal,
    *,
    period: BudgetPeriod,
    amount: int,
    workspace: str | None = None,
    key: str | None = None,
) -> BudgetStanding:
    """Set the budget of a workspace (name or id), of a key (id or prefix), or of the whole organization.

    An organization's budget is what it bought: only the operator sets it. Raises
    ApiError 403 or 404, LookupError for an unknown key, ValueError for a negative amount.
    """
    require(principal, "billing.manage")
    async with database.writing(alone=True) as session:
        kind, subject_id = await subject(session, principal, workspace=workspace, key=key)
        return await _set(session, principal, subject_kind=kind, subject_id=subject_id, period=period, amount=amount)


async def change_budget(database: Database, principal: Principal, budget_id: str, *, amount: int) -> BudgetStanding:
    """Change a budget's amount; what was spent of it stays. Raises ApiError 403 or 404, ValueError."""
    require(principal, "billing.manage")
    async with database.writing(alone=True) as session:
        budget = await budgets.budget_by_id(session, Scope.of_organization(principal), budget_id)
        if budget is None:
            raise no_such("budget", budget_id)
        return await _set(
            session,
            principal,
            subject_kind=budget.subject_kind,
            subject_id=budget.subject_id,
            period=budget.period,
            amount=amount,
        )


async def remove_budget(database: Database, principal: Principal, budget_id: str) -> None:
    """Raises ApiError 403 or 404."""
    require(principal, "billing.manage")
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        budget = await budgets.budget_by_id(session, scope, budget_id)
        if budget is None:
            raise no_such("budget", budget_id)
        if budget.subject_kind == "organization":
            _require_operator(principal)
        refuse_loosening(principal, "budget", budget.subject_kind, scope_id=budget.subject_id, loosens=True)
        await budgets.remove_budget(session, scope, budget_id)
        await audit.record(session, principal, "budget.removed", object_id=budget_id, object_name=budget_id)


async def _set(
    session: AsyncSession,
    principal: Principal,
    *,
    subject_kind: SubjectKind,
    subject_id: str,
    period: BudgetPeriod,
    amount: int,
) -> BudgetStanding:
    if subject_kind == "organization":
        _require_operator(principal)
    scope = Scope.of_organization(principal)
    former = await budgets.budget_of(session, scope, subject_kind=subject_kind, subject_id=subject_id, period=period)
    loosens = former is not None and amount > former.limit
    refuse_loosening(principal, "budget", subject_kind, scope_id=subject_id, loosens=loosens)
    budget = await budgets.set_budget(
        session, scope, subject_kind=subject_kind, subject_id=subject_id, period=period, amount=amount
    )
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


async def _standings(session: AsyncSession, principal: Principal, listed: Sequence[Budget]) -> list[BudgetStanding]:
    now = int(time.time())
    lines = [(budget.id, period_start(budget.period, now)) for budget in listed]
    spent = await budgets.spending(session, Scope.of_organization(principal), lines)
    lists = await price_lists(session) if listed else {}
    priced = frozenset(
        model for model, prices in lists.items() if (price := prices.at(now)) and any(price.rates.values())
    )
    return [
        BudgetStanding(
            budget=budget,
            name=await subject_name(session, principal, budget),
            spent=spent[line],
            resets_at=period_end(budget.period, now),
            priced_models=priced,
        )
        for budget, line in zip(listed, lines, strict=True)
    ]


def _require_operator(principal: Principal) -> None:
    if not principal.operates:
        raise forbidden(
            "Only the organization that runs this server sets what an organization may spend; set budgets of "
            "workspaces and keys within it",
            code="not_the_operator",
        )
