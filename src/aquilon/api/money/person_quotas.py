"""Quotas of persons: set by administrators, read by each person before they bite."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf, in_words
from aquilon.api.people.organization_bodies import Deleted
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.money.administration import person_quotas
from aquilon.money.administration.person_quotas import NamedQuota
from aquilon.money.limits import MOST
from aquilon.money.person_quotas import QuotaPeriod, QuotaUnit

routes = Routes(tag="limits")

Id = Annotated[str, Field(min_length=1, max_length=100)]
Number = Annotated[int, Field(ge=0, le=MOST)]


class PersonQuotaRequest(OwnFields):
    """For everybody, or with ``user_id`` an exception for one person; null is no limit, 0 lets nothing through."""

    period: QuotaPeriod = Field(description="Days and months are UTC's.")
    workspace_id: Id | None = Field(
        None, description="Counts what is used in this workspace alone, by id or name; null counts all together."
    )
    user_id: Id | None = None
    messages: Number | None = Field(None, description="Answered requests to a model.")
    tokens: Number | None = Field(None, description="Tokens read and written.")
    cost_microcents: Number | None = Field(None, description="Millionths of a cent.")


class PersonQuotaBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.person_quota"
    id: str
    period: QuotaPeriod
    workspace_id: str | None
    workspace: str | None
    """The workspace's name."""
    user_id: str | None
    """Whose exception it is; null for everybody who has none."""
    person: str | None
    """The person's name."""
    messages: int | None
    tokens: int | None
    cost_microcents: int | None


class OwnQuota(msgspec.Struct, frozen=True, kw_only=True):
    """``unit`` is what ``limit`` and ``used`` count; a ``cost`` is in millionths of a cent."""

    object: str = "quota"
    period: QuotaPeriod
    scope: Literal["organization", "workspace"]
    unit: QuotaUnit
    limit: int
    used: int
    remaining: int
    resets_at: int
    """Seconds since 1970."""
    currency: str
    """The currency of a ``cost``, such as EUR."""


@routes.get(
    "/v1/me/quotas",
    "List the caller's own quotas and what is used of them",
    answer=ListOf[OwnQuota],
    says="The quotas that apply to the caller now, the scarcest first. A person's use counts signed in and with their "
    "keys.",
)
async def own_quotas(request: Request, caller: Caller) -> Response:
    standings = await person_quotas.own(services(request).database, caller)
    bodies = [
        OwnQuota(
            period=each.allowance.quota.period,
            scope="workspace" if each.allowance.quota.workspace_id else "organization",
            unit=each.allowance.unit,
            limit=each.allowance.limit,
            used=each.used,
            remaining=max(0, each.allowance.limit - each.used),
            resets_at=each.resets_at,
            currency=services(request).settings.currency,
        )
        for each in standings
    ]
    return json_answer(ListOf(data=bodies))


@routes.get(
    "/v1/organization/person-quotas",
    "List the quotas of persons",
    answer=ListOf[PersonQuotaBody],
    says="The quotas for everybody and the exceptions, oldest first.",
)
async def list_person_quotas(request: Request, caller: Caller) -> Response:
    rows = await person_quotas.visible(services(request).database, caller)
    return json_answer(ListOf(data=[_body(row) for row in rows]))


@routes.post(
    "/v1/organization/person-quotas",
    "Set how much each person may use, or one person's exception",
    request=PersonQuotaRequest,
    answer=PersonQuotaBody,
    says="The quota, in place of the former one. What was used in its present period counts.",
)
async def set_person_quota(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, PersonQuotaRequest)
    with in_words("messages"):
        named = await person_quotas.set_quota(
            services(request).database,
            caller,
            fields.period,
            workspace=fields.workspace_id,
            user_id=fields.user_id,
            messages=fields.messages,
            tokens=fields.tokens,
            cost=fields.cost_microcents,
        )
    return json_answer(_body(named))


@routes.delete(
    "/v1/organization/person-quotas/{quota_id}",
    "Remove a quota, or a person's exception",
    answer=Deleted,
    says="The id of the removed quota.",
)
async def remove_person_quota(request: Request, caller: Caller, quota_id: str) -> Response:
    await person_quotas.remove_quota(services(request).database, caller, quota_id)
    return json_answer(Deleted(object="organization.person_quota.deleted", id=quota_id))


def _body(named: NamedQuota) -> PersonQuotaBody:
    quota = named.quota
    return PersonQuotaBody(
        id=quota.id,
        period=quota.period,
        workspace_id=quota.workspace_id or None,
        workspace=named.workspace,
        user_id=quota.user_id or None,
        person=named.person,
        messages=quota.messages,
        tokens=quota.tokens,
        cost_microcents=quota.cost,
    )
