"""``/v1/organization/api_keys…``: a user's own API keys, and all keys for those who manage them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, PageOf, bounded, cut, in_words
from aquilon.api.people.organization import Id, Name
from aquilon.api.people.organization_bodies import ApiKeyBody, Deleted, NewApiKeyBody, api_key_body, new_api_key_body
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.money.administration.subjects import require_unlimited_key
from aquilon.people.administration import keys
from aquilon.people.identity import DEFAULT_KEY_SCOPES, KeyScope

routes = Routes("/v1/organization", tag="organization")

Models = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=200)]
Addresses = Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=200)]
Seconds = Annotated[int, Field(ge=0, le=2**53)]


class NewApiKeyRequest(OwnFields):
    name: Name
    workspace_id: Id | None = Field(None, description="The key's workspace by id or name; the caller's, if left out.")
    user_id: Id | None = Field(None, description="The key's user; the caller, if left out.")
    scopes: list[KeyScope] = Field(list(DEFAULT_KEY_SCOPES), max_length=20)
    allowed_models: Models | None = Field(None, description="The models that the key may use; null allows every model.")
    allowed_addresses: Addresses | None = Field(
        None, description="IP addresses and networks that may use the key; null allows every address."
    )
    expires_at: Seconds | None = None


class ApiKeyRequest(OwnFields):
    """Fields that are left out stay unchanged."""

    name: Name = ""
    scopes: list[KeyScope] = Field([], max_length=20)
    allowed_models: Models | None = None
    allowed_addresses: Addresses | None = None
    expires_at: Seconds | None = None
    blocked: bool = False


class RotationRequest(OwnFields):
    keep_seconds: int = Field(
        24 * 3600,
        ge=0,
        le=keys.MAX_ROTATION_SECONDS,
        description="For how many seconds the present secret still works.",
    )


@routes.get(
    "/api_keys",
    "List the API keys: the caller's, or the organization's for those who manage keys",
    answer=PageOf[ApiKeyBody],
    says="The API keys, oldest first, without their secrets.",
)
async def list_api_keys(
    request: Request, caller: Caller, workspace_id: str | None = None, after: str | None = None, limit: int = MOST
) -> Response:
    limit = bounded(limit)
    rows = await keys.visible(services(request).database, caller, workspace_id, after=after, limit=limit + 1)
    return cut(rows, limit, lambda row: api_key_body(*row))


@routes.post(
    "/api_keys",
    "Create an API key",
    request=NewApiKeyRequest,
    answer=NewApiKeyBody,
    says="The new key with its secret, which is shown once.",
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
        key = await keys.create(
            services(request).database,
            caller,
            fields.name,
            workspace=fields.workspace_id,
            user_id=fields.user_id,
            limits=limits,
        )
    return json_answer(new_api_key_body(key.record, key.secret))


@routes.get("/api_keys/{key_id}", "Get an API key", answer=ApiKeyBody, says="The key.")
async def get_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    return json_answer(api_key_body(await keys.get(services(request).database, caller, key_id)))


@routes.post(
    "/api_keys/{key_id}",
    "Change an API key's limits, block or unblock it",
    request=ApiKeyRequest,
    answer=ApiKeyBody,
    says="The changed key.",
)
async def change_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    fields = await read_body(request, ApiKeyRequest)
    changes = {name: getattr(fields, name) for name in ApiKeyRequest.model_fields if name in fields.model_fields_set}
    with in_words():
        return json_answer(api_key_body(await keys.change(services(request).database, caller, key_id, changes=changes)))


@routes.post(
    "/api_keys/{key_id}/rotate",
    "Give an API key a new secret; the present one still works for a while",
    request=RotationRequest,
    answer=NewApiKeyBody,
    says="The key with its new secret, which is shown once.",
)
async def rotate_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    fields = await read_body(request, RotationRequest)
    if key_id != caller.api_key_id:
        await require_unlimited_key(services(request).database, caller)
    key = await keys.rotate(services(request).database, caller, key_id, keep_seconds=fields.keep_seconds)
    return json_answer(new_api_key_body(key.record, key.secret))


@routes.delete("/api_keys/{key_id}", "Revoke an API key for ever", answer=Deleted, says="The id of the revoked key.")
async def revoke_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    await keys.revoke(services(request).database, caller, key_id)
    return json_answer(Deleted(object="organization.api_key.deleted", id=key_id))
