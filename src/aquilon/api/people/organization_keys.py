"""``/v1/organization/api_keys…``: everybody's own, and all of them for those who manage keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, PageOf, in_words, page
from aquilon.api.people.organization import Id, Name
from aquilon.api.people.organization_bodies import ApiKeyBody, Deleted, NewApiKeyBody, api_key_body, new_api_key_body
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.money.administration.subjects import require_unlimited_key
from aquilon.people.administration import keys
from aquilon.people.identity import DEFAULT_KEY_SCOPES, KeyScope

routes = Routes("/v1/organization", tag="organization")

Models = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=200)]
Addresses = Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=200)]
Seconds = Annotated[int, Field(ge=0, le=2**53)]


class NewApiKeyRequest(Fields):
    name: Name
    workspace_id: Id | None = Field(None, description="The caller's own, if left out.")
    user_id: Id | None = Field(None, description="Whose key; the caller's, if left out.")
    scopes: list[KeyScope] = Field(list(DEFAULT_KEY_SCOPES), max_length=20)
    allowed_models: Models | None = Field(None, description="null is every model.")
    allowed_addresses: Addresses | None = Field(None, description="Addresses and networks; null is anywhere.")
    expires_at: Seconds | None = None


class ApiKeyRequest(Fields):
    """What is left out stays as it is."""

    name: Name = ""
    scopes: list[KeyScope] = Field([], max_length=20)
    allowed_models: Models | None = None
    allowed_addresses: Addresses | None = None
    expires_at: Seconds | None = None
    blocked: bool = False


class RotationRequest(Fields):
    keep_seconds: int = Field(
        24 * 3600, ge=0, le=keys.MAX_ROTATION_SECONDS, description="How long the present secret works on."
    )


@routes.get(
    "/api_keys",
    "API keys: one's own, or all of those who manage them",
    answer=PageOf[ApiKeyBody],
    says="Oldest first, never their secrets",
)
async def list_api_keys(
    request: Request, caller: Caller, workspace_id: str | None = None, after: str | None = None, limit: int = MOST
) -> Response:
    found = await keys.visible(services(request).database, caller, workspace_id)
    return page([api_key_body(*each) for each in found], after, limit)


@routes.post(
    "/api_keys", "Make an API key", request=NewApiKeyRequest, answer=NewApiKeyBody, says="The new key, with its secret"
)
async def create_api_key(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewApiKeyRequest)
    limits = keys.KeyLimits(
        scopes=fields.scopes,
        allowed_models=fields.allowed_models,
        allowed_addresses=fields.allowed_addresses,
        expires_at=fields.expires_at,
    )
    await require_unlimited_key(services(request).database, caller)
    with in_words():
        made = await keys.create(
            services(request).database,
            caller,
            fields.name,
            workspace=fields.workspace_id,
            user_id=fields.user_id,
            limits=limits,
        )
    return json_answer(new_api_key_body(made.record, made.secret))


@routes.get("/api_keys/{key_id}", "One API key", answer=ApiKeyBody, says="The key")
async def get_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    return json_answer(api_key_body(await keys.get(services(request).database, caller, key_id)))


@routes.post(
    "/api_keys/{key_id}",
    "Change an API key's limits, block or unblock it",
    request=ApiKeyRequest,
    answer=ApiKeyBody,
    says="As it is now",
)
async def change_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    fields = await read_body(request, ApiKeyRequest)
    changes = {name: getattr(fields, name) for name in ApiKeyRequest.model_fields if name in fields.model_fields_set}
    with in_words():
        return json_answer(api_key_body(await keys.change(services(request).database, caller, key_id, changes=changes)))


@routes.post(
    "/api_keys/{key_id}/rotate",
    "A new secret for an API key; the present one works on for a while",
    request=RotationRequest,
    answer=NewApiKeyBody,
    says="The key, with its new secret",
)
async def rotate_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    fields = await read_body(request, RotationRequest)
    if key_id != caller.api_key_id:
        await require_unlimited_key(services(request).database, caller)
    made = await keys.rotate(services(request).database, caller, key_id, keep_seconds=fields.keep_seconds)
    return json_answer(new_api_key_body(made.record, made.secret))


@routes.delete("/api_keys/{key_id}", "Revoke an API key for ever", answer=Deleted, says="Done")
async def revoke_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    await keys.revoke(services(request).database, caller, key_id)
    return json_answer(Deleted(object="organization.api_key.deleted", id=key_id))
