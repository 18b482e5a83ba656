"""``/v1/organization/budgets``: what an organization, its workspaces and keys may spend."""

from __future__ import annotations

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
from aquilon.money.budgets import BudgetPeriod
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


class BudgetBody(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts are millionths of a cent, times seconds since 1970."""

    object: str = "organization.budget"
    id: str
    scope: str
    """``organization``, ``workspace`` or ``key``."""
    scope_id: str
    name: str
    """Of whose it is."""
    period: str
    limit_microcents: int
    spent_microcents: int
    """In the present period, requests that are still answered not counted."""
    remaining_microcents: int
    resets_at: int | None
    """None for prepaid credit."""


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
    currency = services(request).settings.currency
    return json_answer(BudgetList(currency=currency, data=[budget_body(standing) for standing in found]))


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
        budget = await budgets.set_budget(
            database,
            caller,
            fields.period,
            fields.limit_microcents,
            workspace=fields.workspace_id,
            key=fields.key_id,
        )
    except UnknownApiKey:
        raise no_such("API key", fields.key_id or "") from None
    return json_answer(await _standing(request, caller, budget.id))


@routes.get("/{budget_id}", "One budget", answer=BudgetBody, says="How it stands")
async def get_budget(request: Request, caller: Caller, budget_id: str) -> Response:
    return json_answer(await _standing(request, caller, budget_id))


@routes.delete("/{budget_id}", "Remove a budget: what it held back may be spent", answer=Deleted, says="Done")
async def remove_budget(request: Request, caller: Caller, budget_id: str) -> Response:
    await budgets.remove_budget(services(request).database, caller, budget_id)
    return json_answer(Deleted(object="organization.budget.deleted", id=budget_id))


async def _standing(request: Request, caller: Caller, budget_id: str) -> BudgetBody:
    found = await budgets.list_budgets(services(request).database, caller)
    standing = next((each for each in found if each.budget.id == budget_id), None)
    if standing is None:
        raise no_such("budget", budget_id)
    return budget_body(standing)


def budget_body(standing: BudgetStanding) -> BudgetBody:
    budget = standing.budget
    return BudgetBody(
        id=budget.id,
        scope=budget.scope,
        scope_id=budget.scope_id,
        name=standing.name,
        period=budget.period,
        limit_microcents=budget.limit,
        spent_microcents=standing.spent,
        remaining_microcents=max(0, budget.limit - standing.spent),
        resets_at=standing.resets_at,
    )
