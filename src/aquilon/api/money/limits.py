"""``/v1/organization/limits``: limits on requests and tokens a minute, and on parallel requests."""

from __future__ import annotations

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
from aquilon.errors import invalid, refused
from aquilon.money.administration import limits
from aquilon.money.administration.limits import NamedLimit
from aquilon.money.budgets import SubjectKind
from aquilon.money.limits import MOST
from aquilon.people.administration.access import no_such
from aquilon.people.store.api_keys import UnknownApiKey

routes = Routes("/v1/organization/limits", tag="limits")

Id = Annotated[str, Field(min_length=1, max_length=100)]
Number = Annotated[int, Field(ge=0, le=MOST)]


class LimitRequest(OwnFields):
    """A limit for a workspace or a key; without either, for the organization, which only the operator may set."""

    workspace_id: Id | None = None
    key_id: Id | None = None
    model: str | None = Field(
        None, max_length=256, description="A model's name, not an alias; null limits all models together."
    )
    requests_per_minute: Number | None = None
    tokens_per_minute: Number | None = Field(
        None, description="Completion tokens, and prompt tokens that were not in the prefix cache."
    )
    parallel_requests: Number | None = Field(None, description="How many requests may run at once.")


class LimitBody(msgspec.Struct, frozen=True, kw_only=True):
    """null is no limit; 0 refuses every request."""

    object: str = "organization.limit"
    id: str
    scope: SubjectKind
    scope_id: str
    name: str
    """The name of the organization, workspace or key."""
    model: str | None
    """null limits all models together."""
    requests_per_minute: int | None
    tokens_per_minute: int | None
    parallel_requests: int | None


@routes.get(
    "",
    "List the limits: the organization's, or those of the caller's keys",
    answer=ListOf[LimitBody],
    says="The limits, oldest first.",
)
async def list_limits(request: Request, caller: Caller) -> Response:
    named_limits = await limits.list_limits(services(request).database, caller)
    return json_answer(ListOf(data=[limit_body(named) for named in named_limits]))


@routes.post(
    "",
    "Set a limit; it replaces an earlier one for the same model",
    request=LimitRequest,
    answer=LimitBody,
    says="The limit that was set.",
)
async def set_limit(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, LimitRequest)
    if fields.workspace_id is not None and fields.key_id is not None:
        raise invalid(
            "A limit is for a workspace or for a key: send 'workspace_id' or 'key_id', not both",
            param="key_id",
            code="one_subject",
        )
    try:
        named = await limits.set_limit(
            services(request).database,
            caller,
            workspace=fields.workspace_id,
            key=fields.key_id,
            model=fields.model or "",
            requests_per_minute=fields.requests_per_minute,
            tokens_per_minute=fields.tokens_per_minute,
            parallel_requests=fields.parallel_requests,
        )
    except UnknownApiKey:
        raise no_such("API key", fields.key_id or "") from None
    except ValueError as error:
        raise refused(error) from None
    return json_answer(limit_body(named))


@routes.get("/{limit_id}", "Get a limit", answer=LimitBody, says="The limit.")
async def get_limit(request: Request, caller: Caller, limit_id: str) -> Response:
    return json_answer(limit_body(await limits.get_limit(services(request).database, caller, limit_id)))


@routes.delete("/{limit_id}", "Remove a limit", answer=Deleted, says="The id of the removed limit.")
async def remove_limit(request: Request, caller: Caller, limit_id: str) -> Response:
    await limits.remove_limit(services(request).database, caller, limit_id)
    return json_answer(Deleted(object="organization.limit.deleted", id=limit_id))


def limit_body(named: NamedLimit) -> LimitBody:
    limit = named.limit
    return LimitBody(
        id=limit.id,
        scope=limit.subject_kind,
        scope_id=limit.subject_id,
        name=named.name,
        model=limit.model or None,
        requests_per_minute=limit.requests_per_minute,
        tokens_per_minute=limit.tokens_per_minute,
        parallel_requests=limit.parallel_requests,
    )
