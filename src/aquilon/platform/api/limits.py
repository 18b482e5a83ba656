"""``/v1/organization/limits``: requests and tokens a minute, and requests at once."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.platform.administration import limits
from aquilon.platform.administration.access import no_such
from aquilon.platform.administration.limits import NamedLimit
from aquilon.platform.api.body import Fields, read_body
from aquilon.platform.api.json_answer import json_answer
from aquilon.platform.api.organization_bodies import Deleted
from aquilon.platform.api.schemas import answers, request_body
from aquilon.platform.auth.authentication import Caller
from aquilon.platform.domain.budgets import Scope
from aquilon.platform.domain.errors import invalid
from aquilon.platform.domain.limits import MOST
from aquilon.platform.services import services
from aquilon.platform.storage.api_keys import UnknownApiKey

router = APIRouter(prefix="/v1/organization/limits", tags=["limits"])

Id = Annotated[str, Field(min_length=1, max_length=100)]
Number = Annotated[int, Field(ge=0, le=MOST)]


class LimitRequest(Fields):
    """For a workspace or a key; for the whole organization without either, which the operator alone may set."""

    workspace_id: Id | None = None
    key_id: Id | None = None
    model: str | None = Field(None, max_length=256, description="A model's own name; null is all models together.")
    requests_per_minute: Number | None = None
    tokens_per_minute: Number | None = Field(
        None, description="Completion tokens, and prompt tokens that the prefix cache did not have."
    )
    parallel_requests: Number | None = Field(None, description="Requests at once.")


class LimitBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is null isn't limited; 0 lets nothing through."""

    object: str = "organization.limit"
    id: str
    scope: Scope
    scope_id: str
    name: str
    """Of whose it is."""
    model: str | None
    """null is all models together."""
    requests_per_minute: int | None
    tokens_per_minute: int | None
    parallel_requests: int | None


class LimitList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[LimitBody]


REQUESTS: list[type[Fields]] = [LimitRequest]
ANSWERS: list[type[msgspec.Struct]] = [LimitBody, LimitList]


@router.get(
    "",
    summary="Limits: the organization's, or those of one's own keys",
    responses=answers(LimitList, description="Oldest first"),
)
async def list_limits(request: Request, caller: Caller) -> Response:
    found = await limits.list_limits(services(request).database, caller)
    return json_answer(LimitList(data=[limit_body(one) for one in found]))


@router.post(
    "",
    summary="Set limits; a second one for the same model replaces the first",
    openapi_extra=request_body(LimitRequest),
    responses=answers(LimitBody, description="The limit"),
)
async def set_limit(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, LimitRequest)
    if fields.workspace_id is not None and fields.key_id is not None:
        raise invalid("A limit is for a workspace or for a key: send one of the two", param="key_id")
    try:
        one = await limits.set_limit(
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
        raise invalid(str(error), param="requests_per_minute") from None
    return json_answer(limit_body(one))


@router.get("/{limit_id}", summary="One limit", responses=answers(LimitBody, description="The limit"))
async def get_limit(request: Request, caller: Caller, limit_id: str) -> Response:
    found = await limits.list_limits(services(request).database, caller)
    one = next((each for each in found if each.limit.id == limit_id), None)
    if one is None:
        raise no_such("limit", limit_id)
    return json_answer(limit_body(one))


@router.delete(
    "/{limit_id}", summary="Remove a limit: it holds nobody back", responses=answers(Deleted, description="Done")
)
async def remove_limit(request: Request, caller: Caller, limit_id: str) -> Response:
    await limits.remove_limit(services(request).database, caller, limit_id)
    return json_answer(Deleted(object="organization.limit.deleted", id=limit_id))


def limit_body(one: NamedLimit) -> LimitBody:
    limit = one.limit
    return LimitBody(
        id=limit.id,
        scope=limit.scope,
        scope_id=limit.scope_id,
        name=one.name,
        model=limit.model or None,
        requests_per_minute=limit.requests_per_minute,
        tokens_per_minute=limit.tokens_per_minute,
        parallel_requests=limit.parallel_requests,
    )
