"""``/v1/organization/budgets``: the budgets of an organization, its workspaces and keys."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.people.organization_bodies import Deleted
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import invalid
from aquilon.money.administration import budgets
from aquilon.money.administration.budgets import BudgetStanding
from aquilon.money.budgets import BudgetPeriod, SubjectKind
from aquilon.people.administration.access import no_such
from aquilon.people.store.api_keys import UnknownApiKey

routes = Routes("/v1/organization/budgets", tag="budgets")

Id = Annotated[str, Field(min_length=1, max_length=100)]


class BudgetRequest(OwnFields):
    """A budget for a workspace or a key; without either, for the organization, which only the operator may set."""

    workspace_id: Id | None = None
    key_id: Id | None = None
    period: BudgetPeriod = Field("month", description="`once` is prepaid credit, which is never renewed.")
    limit_microcents: int = Field(ge=0, le=10**17, description="The limit in millionths of a cent.")


class BudgetChange(OwnFields):
    limit_microcents: int = Field(ge=0, le=10**17, description="The limit in millionths of a cent.")


class BudgetBody(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts are millionths of a cent; times are seconds since 1970."""

    object: str = "organization.budget"
    id: str
    scope: SubjectKind
    scope_id: str
    name: str
    """The name of the organization, workspace or key."""
    period: BudgetPeriod
    limit_microcents: int
    spent_microcents: int
    """Spent in the present period, without the requests that are still running."""
    remaining_microcents: int
    resets_at: int | None
    """None for prepaid credit."""
    effective: bool
    """Whether a model on this server has a price: if all are free, nothing is ever spent."""
    unpriced_models: list[str]
    """The models on this server that are free now: the budget never stops their requests."""


class BudgetList(ListOf[BudgetBody], frozen=True, kw_only=True):
    currency: str


@routes.get(
    "",
    "List the budgets: the organization's, or those of the caller's keys",
    answer=BudgetList,
    says="The budgets with what was spent, oldest first.",
)
async def list_budgets(request: Request, caller: Caller) -> Response:
    standings = await budgets.list_budgets(services(request).database, caller)
    currency, models = services(request).settings.currency, _model_names(request)
    return json_answer(BudgetList(currency=currency, data=[budget_body(standing, models) for standing in standings]))


@routes.post(
    "",
    "Set a budget; it replaces an earlier one for the same period",
    request=BudgetRequest,
    answer=BudgetBody,
    says="The budget that was set.",
)
async def set_budget(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, BudgetRequest)
    if fields.workspace_id is not None and fields.key_id is not None:
        raise invalid(
            "A budget is for a workspace or for a key: send 'workspace_id' or 'key_id', not both",
            param="key_id",
            code="one_subject",
        )
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
    return json_answer(budget_body(standing, _model_names(request)))


@routes.get("/{budget_id}", "Get a budget", answer=BudgetBody, says="The budget with what was spent.")
async def get_budget(request: Request, caller: Caller, budget_id: str) -> Response:
    standing = await budgets.get_budget(services(request).database, caller, budget_id)
    return json_answer(budget_body(standing, _model_names(request)))


@routes.post(
    "/{budget_id}",
    "Change a budget's limit; what was spent stays",
    request=BudgetChange,
    answer=BudgetBody,
    says="The changed budget.",
)
async def change_budget(request: Request, caller: Caller, budget_id: str) -> Response:
    fields = await read_body(request, BudgetChange)
    standing = await budgets.change_budget(
        services(request).database, caller, budget_id, amount=fields.limit_microcents
    )
    return json_answer(budget_body(standing, _model_names(request)))


@routes.delete(
    "/{budget_id}", "Remove a budget, so that it stops no request", answer=Deleted, says="The id of the removed budget."
)
async def remove_budget(request: Request, caller: Caller, budget_id: str) -> Response:
    await budgets.remove_budget(services(request).database, caller, budget_id)
    return json_answer(Deleted(object="organization.budget.deleted", id=budget_id))


def _model_names(request: Request) -> list[str]:
    catalogue = services(request).catalogue
    shared = (card for card in catalogue.cards() if card.organization_id is None)
    return [card.name for card in shared if not catalogue.is_retired(card)]


def budget_body(standing: BudgetStanding, models: Collection[str] | None = None) -> BudgetBody:
    """``models`` are the models on this server; None if they aren't known, then only priced models count."""
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
