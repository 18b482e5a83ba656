"""``/v1/organization/…``: workspaces, users, keys and the audit log, named as in OpenAI's administration API.

What OpenAI calls a project is a workspace here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.platform.administration import keys, members, workspaces
from aquilon.platform.api.body import Fields, read_body
from aquilon.platform.api.organization_bodies import (
    ApiKeyBody,
    ApiKeyList,
    AuditList,
    Deleted,
    MemberBody,
    MemberList,
    NewApiKeyBody,
    NewUserBody,
    OrganizationBody,
    UserBody,
    UserList,
    WorkspaceBody,
    WorkspaceList,
    api_key_body,
    audit_body,
    member_body,
    new_api_key_body,
    organization_body,
    user_body,
    workspace_body,
)
from aquilon.platform.api.schemas import answers, request_body
from aquilon.platform.auth.authentication import Caller
from aquilon.platform.domain.errors import invalid
from aquilon.platform.domain.identity import DEFAULT_KEY_SCOPES, KeyScope, Role
from aquilon.platform.services import services

router = APIRouter(prefix="/v1/organization", tags=["organization"])

Name = Annotated[str, Field(min_length=1, max_length=100)]
Id = Annotated[str, Field(min_length=1, max_length=100)]
Models = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=200)]
Addresses = Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=200)]
Seconds = Annotated[int, Field(ge=0, le=2**53)]
MOST = 100
L = TypeVar("L", bound=msgspec.Struct)


class NameRequest(Fields):
    name: Name


class NewUserRequest(Fields):
    name: Name
    role: Role = "member"


class UserRequest(Fields):
    role: Role | None = None
    disabled: bool | None = None


class NewMemberRequest(Fields):
    user_id: Id
    role: Role = "member"


class MemberRequest(Fields):
    role: Role


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


REQUESTS: list[type[Fields]] = [
    NameRequest,
    NewUserRequest,
    UserRequest,
    NewMemberRequest,
    MemberRequest,
    NewApiKeyRequest,
    ApiKeyRequest,
    RotationRequest,
]
ANSWERS: list[type[msgspec.Struct]] = [
    OrganizationBody,
    WorkspaceBody,
    WorkspaceList,
    UserBody,
    UserList,
    NewUserBody,
    MemberBody,
    MemberList,
    ApiKeyBody,
    ApiKeyList,
    NewApiKeyBody,
    AuditList,
    Deleted,
]


@router.get("", summary="The caller's organization", responses=answers(OrganizationBody, description="It"))
async def get_organization(request: Request, caller: Caller) -> Response:
    return _json(organization_body(await workspaces.organization(services(request).database, caller)))


@router.post(
    "",
    summary="Rename the organization",
    openapi_extra=request_body(NameRequest),
    responses=answers(OrganizationBody, description="As it is now"),
)
async def rename_organization(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NameRequest)
    with _in_words():
        found = await workspaces.rename_organization(services(request).database, caller, fields.name)
    return _json(organization_body(found))


@router.get("/workspaces", summary="Workspaces", responses=answers(WorkspaceList, description="Oldest first"))
async def list_workspaces(
    request: Request, caller: Caller, after: str | None = None, limit: int = MOST, include_archived: bool = False
) -> Response:
    found = await workspaces.visible(services(request).database, caller)
    shown = [workspace_body(row) for row in found if include_archived or row.archived_at is None]
    return _page(WorkspaceList, shown, after, limit)


@router.post(
    "/workspaces",
    summary="Make a workspace",
    openapi_extra=request_body(NameRequest),
    responses=answers(WorkspaceBody, description="The new workspace"),
)
async def create_workspace(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NameRequest)
    with _in_words():
        return _json(workspace_body(await workspaces.create(services(request).database, caller, fields.name)))


@router.get("/workspaces/{workspace_id}", summary="One workspace", responses=answers(WorkspaceBody, description="It"))
async def get_workspace(request: Request, caller: Caller, workspace_id: str) -> Response:
    return _json(workspace_body(await workspaces.get(services(request).database, caller, workspace_id)))


@router.post(
    "/workspaces/{workspace_id}",
    summary="Rename a workspace",
    openapi_extra=request_body(NameRequest),
    responses=answers(WorkspaceBody, description="As it is now"),
)
async def rename_workspace(request: Request, caller: Caller, workspace_id: str) -> Response:
    fields = await read_body(request, NameRequest)
    with _in_words():
        found = await workspaces.rename(services(request).database, caller, workspace_id, fields.name)
    return _json(workspace_body(found))


@router.post(
    "/workspaces/{workspace_id}/archive",
    summary="Archive a workspace: its keys stop working, its usage stays",
    responses=answers(WorkspaceBody, description="As it is now"),
)
async def archive_workspace(request: Request, caller: Caller, workspace_id: str) -> Response:
    with _in_words():
        return _json(workspace_body(await workspaces.archive(services(request).database, caller, workspace_id)))


@router.get(
    "/workspaces/{workspace_id}/users",
    summary="Who is in a workspace",
    responses=answers(MemberList, description="By name"),
)
async def list_members(
    request: Request, caller: Caller, workspace_id: str, after: str | None = None, limit: int = MOST
) -> Response:
    found = await workspaces.members(services(request).database, caller, workspace_id)
    return _page(MemberList, [member_body(*each) for each in found], after, limit)


@router.post(
    "/workspaces/{workspace_id}/users",
    summary="Take a user into a workspace",
    openapi_extra=request_body(NewMemberRequest),
    responses=answers(MemberBody, description="The member"),
)
async def add_member(request: Request, caller: Caller, workspace_id: str) -> Response:
    fields = await read_body(request, NewMemberRequest)
    database = services(request).database
    return _json(member_body(*await workspaces.set_member(database, caller, workspace_id, fields.user_id, fields.role)))


@router.post(
    "/workspaces/{workspace_id}/users/{user_id}",
    summary="Give a member another role in a workspace",
    openapi_extra=request_body(MemberRequest),
    responses=answers(MemberBody, description="The member"),
)
async def set_member(request: Request, caller: Caller, workspace_id: str, user_id: str) -> Response:
    fields = await read_body(request, MemberRequest)
    database = services(request).database
    return _json(member_body(*await workspaces.set_member(database, caller, workspace_id, user_id, fields.role)))


@router.delete(
    "/workspaces/{workspace_id}/users/{user_id}",
    summary="Take a member out of a workspace",
    responses=answers(Deleted, description="Done"),
)
async def remove_member(request: Request, caller: Caller, workspace_id: str, user_id: str) -> Response:
    await workspaces.remove_member(services(request).database, caller, workspace_id, user_id)
    return _json(Deleted(object="organization.workspace.user.deleted", id=user_id))


@router.get("/users", summary="The organization's people", responses=answers(UserList, description="By name"))
async def list_users(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    found = await members.visible(services(request).database, caller)
    return _page(UserList, [user_body(row) for row in found], after, limit)


@router.post(
    "/users",
    summary="Make an account",
    openapi_extra=request_body(NewUserRequest),
    responses=answers(NewUserBody, description="The new user, with a token that signs in once"),
)
async def create_user(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewUserRequest)
    with _in_words():
        made = await members.create(services(request).database, caller, fields.name, fields.role)
    user = made.user
    return _json(NewUserBody(id=user.id, name=user.name, role=user.role, login_token=made.login_token))


@router.get("/users/{user_id}", summary="One user", responses=answers(UserBody, description="The user"))
async def get_user(request: Request, caller: Caller, user_id: str) -> Response:
    return _json(user_body(await members.get(services(request).database, caller, user_id)))


@router.post(
    "/users/{user_id}",
    summary="Give a user another role, or disable the account",
    openapi_extra=request_body(UserRequest),
    responses=answers(UserBody, description="As it is now"),
)
async def change_user(request: Request, caller: Caller, user_id: str) -> Response:
    fields = await read_body(request, UserRequest)
    database = services(request).database
    return _json(user_body(await members.change(database, caller, user_id, role=fields.role, disabled=fields.disabled)))


@router.delete(
    "/users/{user_id}",
    summary="Disable an account: its sessions and keys end, its usage stays",
    responses=answers(Deleted, description="Done"),
)
async def disable_user(request: Request, caller: Caller, user_id: str) -> Response:
    await members.change(services(request).database, caller, user_id, disabled=True)
    return _json(Deleted(object="organization.user.deleted", id=user_id))


@router.get(
    "/api_keys",
    summary="API keys: one's own, or all of those who manage them",
    responses=answers(ApiKeyList, description="Oldest first, never their secrets"),
)
async def list_api_keys(
    request: Request, caller: Caller, workspace_id: str | None = None, after: str | None = None, limit: int = MOST
) -> Response:
    found = await keys.visible(services(request).database, caller, workspace_id)
    return _page(ApiKeyList, [api_key_body(*each) for each in found], after, limit)


@router.post(
    "/api_keys",
    summary="Make an API key",
    openapi_extra=request_body(NewApiKeyRequest),
    responses=answers(NewApiKeyBody, description="The new key, with its secret"),
)
async def create_api_key(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewApiKeyRequest)
    limits = keys.KeyLimits(fields.scopes, fields.allowed_models, fields.allowed_addresses, fields.expires_at)
    with _in_words():
        made = await keys.create(
            services(request).database,
            caller,
            fields.name,
            workspace=fields.workspace_id,
            user_id=fields.user_id,
            limits=limits,
        )
    return _json(new_api_key_body(made.record, made.secret))


@router.get("/api_keys/{key_id}", summary="One API key", responses=answers(ApiKeyBody, description="The key"))
async def get_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    return _json(api_key_body(await keys.get(services(request).database, caller, key_id)))


@router.post(
    "/api_keys/{key_id}",
    summary="Change an API key's limits, block or unblock it",
    openapi_extra=request_body(ApiKeyRequest),
    responses=answers(ApiKeyBody, description="As it is now"),
)
async def change_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    fields = await read_body(request, ApiKeyRequest)
    changes = {name: getattr(fields, name) for name in ApiKeyRequest.model_fields if name in fields.model_fields_set}
    with _in_words():
        return _json(api_key_body(await keys.change(services(request).database, caller, key_id, changes)))


@router.post(
    "/api_keys/{key_id}/rotate",
    summary="A new secret for an API key; the present one works on for a while",
    openapi_extra=request_body(RotationRequest),
    responses=answers(NewApiKeyBody, description="The key, with its new secret"),
)
async def rotate_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    fields = await read_body(request, RotationRequest)
    made = await keys.rotate(services(request).database, caller, key_id, fields.keep_seconds)
    return _json(new_api_key_body(made.record, made.secret))


@router.delete(
    "/api_keys/{key_id}", summary="Revoke an API key for ever", responses=answers(Deleted, description="Done")
)
async def revoke_api_key(request: Request, caller: Caller, key_id: str) -> Response:
    await keys.revoke(services(request).database, caller, key_id)
    return _json(Deleted(object="organization.api_key.deleted", id=key_id))


@router.get("/audit_logs", summary="Who changed what", responses=answers(AuditList, description="The newest first"))
async def list_audit_log(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    limit = _bounded(limit)
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise invalid(f"'{after[:100]}' is no entry of the audit log", param="after")
    before = None if after is None else int(after)
    found = await workspaces.audit_log(services(request).database, caller, before=before, limit=limit + 1)
    shown = [audit_body(row) for row in found[:limit]]
    return _json(_list(AuditList, shown, has_more=len(found) > limit))


def _page(kind: type[L], rows: Sequence[Any], after: str | None, limit: int) -> Response:
    """The rows after the one with the id ``after``; all of them, should it be gone."""
    limit = _bounded(limit)
    begin = next((number + 1 for number, row in enumerate(rows) if row.id == after), 0) if after else 0
    return _json(_list(kind, rows[begin : begin + limit], has_more=len(rows) > begin + limit))


def _list(kind: type[L], rows: Sequence[Any], *, has_more: bool) -> L:
    first, last = (rows[0].id, rows[-1].id) if rows else (None, None)
    return kind(data=rows, first_id=first, last_id=last, has_more=has_more)


def _bounded(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise invalid(f"limit is 1 to {MOST}", param="limit")
    return limit


@contextmanager
def _in_words() -> Iterator[None]:
    """What a name may not be, as a 400."""
    try:
        yield
    except ValueError as error:
        raise invalid(str(error), param="name") from None


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json", headers={"cache-control": "no-store"})
