"""``/v1/organization/budgets``: what an organization, its workspaces and keys may spend."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.people.organization_bodies import Deleted
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.money.administration import budgets
from aquilon.money.administration.budgets import BudgetStanding
from aquilon.money.budgets import BudgetPeriod, SubjectKind
from aquilon.people.administration.access import no_such
from aquilon.people.store.api_keys import UnknownApiKey

routes = Routes("/v1/organization/budgets", tag="budgets")

Id = Annotated[str, Field(min_length=1, max_length=100)]


class BudgetRequest(Fields):
    """For a workspace or a key; for the whole organization without either, which the operator alone may set."""

    workspace_id: Id | None = None
    key_id: Id | None = None
    period: BudgetPeriod = Field("month", description="`once` is prepaid credit: it never starts anew.")
    limit_microcents: int = Field(ge=0, le=10**17, description="Millionths of a cent.")


class BudgetChange(Fields):
    limit_microcents: int = Field(ge=0, le=10**17, description="Millionths of a cent.")


class BudgetBody(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts are millionths of a cent, times seconds since 1970."""

    object: str = "organization.budget"
    id: str
    scope: SubjectKind
    scope_id: str
    name: str
    """Of whose it is."""
    period: BudgetPeriod
    limit_microcents: int
    spent_microcents: int
    """In the present period, requests that are still answered not counted."""
    remaining_microcents: int
    resets_at: int | None
    """None for prepaid credit."""
    effective: bool
    """Whether a model that answers here costs anything: where all are free, nothing is ever spent."""
    unpriced_models: list[str]
    """Models that answer here and cost nothing now: what they are asked is not held back."""


class BudgetList(ListOf[BudgetBody], frozen=True, kw_only=True):
    currency: str


@routes.get(
    "",
    "Budgets, and how they stand: the organization's, or those of one's own keys",
    answer=BudgetList,
    says="Oldest first",
)
async def list_budgets(request: Request, caller: Caller) -> Response:
    found = await budgets.list_budgets(services(request).database, caller)
    currency, models = services(request).settings.currency, _models(request)
    return json_answer(BudgetList(currency=currency, data=[budget_body(standing, models) for standing in found]))


@routes.post(
    "",
    "Set what may be spent in a period; a second budget of the same period replaces the first",
    request=BudgetRequest,
    answer=BudgetBody,
    says="The budget",
)
async def set_budget(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, BudgetRequest)
    if fields.workspace_id is not None and fields.key_id is not None:
        raise invalid("A budget is for a workspace or for a key: send one of the two", param="key_id")
    database = services(request).database
    try:
        standing = await budgets.set_budget(
            database,
            caller,
            period=fields.period,
            amount=fields.limit_microcents,
            workspace=fields.workspace_id,
            key=fields.key_id,
        )
    except UnknownApiKey:
        raise no_such("API key", fields.key_id or "") from None
    return json_answer(budget_body(standing, _models(request)))


@routes.get("/{budget_id}", "One budget", answer=BudgetBody, says="How it stands")
async def get_budget(request: Request, caller: Caller, budget_id: str) -> Response:
    standing = await budgets.get_budget(services(request).database, caller, budget_id)
    return json_answer(budget_body(standing, _models(request)))


@routes.post(
    "/{budget_id}",
    "Change what a budget allows; what was spent of it stays",
    request=BudgetChange,
    answer=BudgetBody,
    says="The budget",
)
async def change_budget(request: Request, caller: Caller, budget_id: str) -> Response:
    fields = await read_body(request, BudgetChange)
    standing = await budgets.change_budget(
        services(request).database, caller, budget_id, amount=fields.limit_microcents
    )
    return json_answer(budget_body(standing, _models(request)))


@routes.delete("/{budget_id}", "Remove a budget: what it held back may be spent", answer=Deleted, says="Done")
async def remove_budget(request: Request, caller: Caller, budget_id: str) -> Response:
    await budgets.remove_budget(services(request).database, caller, budget_id)
    return json_answer(Deleted(object="organization.budget.deleted", id=budget_id))


def _models(request: Request) -> list[str]:
    catalogue = services(request).catalogue
    return [card.name for card in catalogue.cards() if not catalogue.is_retired(card)]


def budget_body(standing: BudgetStanding, models: Collection[str] | None = None) -> BudgetBody:
    """``models``: those that answer here; left out where that isn't known, those with a price are taken for all."""
    unpriced = sorted(set(models or ()) - standing.priced_models)
    budget = standing.budget
    return BudgetBody(
        id=budget.id,
        scope=budget.subject_kind,
        scope_id=budget.subject_id,
        name=standing.name,
        period=budget.period,
        limit_microcents=budget.limit,
        spent_microcents=standing.spent,
        remaining_microcents=max(0, budget.limit - standing.spent),
        resets_at=standing.resets_at,
        effective=bool(standing.priced_models) and (models is None or len(unpriced) < len(set(models))),
        unpriced_models=unpriced,
    )
