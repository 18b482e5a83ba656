"""``/v1/organization/…``: workspaces, users and the audit log, named as in OpenAI's administration API.

What OpenAI calls a project is a workspace here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, PageOf, bounded, cut, in_words, page
from aquilon.api.people.organization_bodies import (
    AuditBody,
    Deleted,
    MemberBody,
    NewUserBody,
    OrganizationBody,
    UserBody,
    WorkspaceBody,
    audit_body,
    member_body,
    organization_body,
    user_body,
    workspace_body,
)
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import invalid
from aquilon.people.administration import members, workspaces
from aquilon.people.identity import Role

routes = Routes("/v1/organization", tag="organization")

Name = Annotated[str, Field(min_length=1, max_length=100)]
Id = Annotated[str, Field(min_length=1, max_length=100)]
Email = Annotated[str, Field(min_length=3, max_length=254)]


class NameRequest(OwnFields):
    name: Name


class OrganizationRequest(OwnFields):
    """Fields that are left out stay unchanged."""

    name: Name | None = None
    password_sign_in: bool | None = Field(
        None, description="false: its people sign in only with its identity provider or a one-time link."
    )
    vat_number: str | None = Field(
        None, max_length=30, pattern=r"^[0-9A-Za-z .+*-]*$", description="For its statements; empty removes it."
    )


class NewUserRequest(OwnFields):
    name: Name
    role: Role = "member"
    email: Email | None = Field(None, description="An address to sign in with, as with the name.")


class UserRequest(OwnFields):
    """Fields that are left out stay unchanged."""

    name: Name | None = None
    email: Email | None = Field(None, description="null removes the address.")
    role: Role | None = None
    disabled: bool | None = None


class NewMemberRequest(OwnFields):
    user_id: Id
    role: Role = "member"


class MemberRequest(OwnFields):
    role: Role


@routes.get("", "Get the caller's organization", answer=OrganizationBody, says="The caller's organization.")
async def get_organization(request: Request, caller: Caller) -> Response:
    return json_answer(organization_body(await workspaces.organization(services(request).database, caller)))


@routes.post(
    "",
    "Rename the organization, allow or forbid passwords, or set its VAT number",
    request=OrganizationRequest,
    answer=OrganizationBody,
    says="The changed organization.",
)
async def change_organization(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, OrganizationRequest)
    with in_words():
        organization = await workspaces.change_organization(
            services(request).database,
            caller,
            name=fields.name,
            password_sign_in=fields.password_sign_in,
            vat_number=fields.vat_number,
        )
    return json_answer(organization_body(organization))


@routes.get("/workspaces", "List the workspaces", answer=PageOf[WorkspaceBody], says="The workspaces, oldest first.")
async def list_workspaces(
    request: Request, caller: Caller, after: str | None = None, limit: int = MOST, include_archived: bool = False
) -> Response:
    rows = await workspaces.visible(services(request).database, caller)
    bodies = [workspace_body(row) for row in rows if include_archived or row.archived_at is None]
    return page(bodies, after, limit)


@routes.post("/workspaces", "Create a workspace", request=NameRequest, answer=WorkspaceBody, says="The new workspace.")
async def create_workspace(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NameRequest)
    with in_words():
        return json_answer(workspace_body(await workspaces.create(services(request).database, caller, fields.name)))


@routes.get("/workspaces/{workspace_id}", "Get a workspace", answer=WorkspaceBody, says="The workspace.")
async def get_workspace(request: Request, caller: Caller, workspace_id: str) -> Response:
    return json_answer(workspace_body(await workspaces.get(services(request).database, caller, workspace_id)))


@routes.post(
    "/workspaces/{workspace_id}",
    "Rename a workspace",
    request=NameRequest,
    answer=WorkspaceBody,
    says="The renamed workspace.",
)
async def rename_workspace(request: Request, caller: Caller, workspace_id: str) -> Response:
    fields = await read_body(request, NameRequest)
    with in_words():
        workspace = await workspaces.rename(services(request).database, caller, workspace_id, name=fields.name)
    return json_answer(workspace_body(workspace))


@routes.post(
    "/workspaces/{workspace_id}/archive",
    "Archive a workspace: its keys stop working, its usage stays",
    answer=WorkspaceBody,
    says="The archived workspace.",
)
async def archive_workspace(request: Request, caller: Caller, workspace_id: str) -> Response:
    with in_words():
        return json_answer(workspace_body(await workspaces.archive(services(request).database, caller, workspace_id)))


@routes.get(
    "/workspaces/{workspace_id}/users",
    "List a workspace's members",
    answer=PageOf[MemberBody],
    says="The workspace's members, by name.",
)
async def list_members(
    request: Request, caller: Caller, workspace_id: str, after: str | None = None, limit: int = MOST
) -> Response:
    rows = await workspaces.members(services(request).database, caller, workspace_id)
    return page([member_body(row, user) for row, user in rows], after, limit)


@routes.post(
    "/workspaces/{workspace_id}/users",
    "Add a user to a workspace",
    request=NewMemberRequest,
    answer=MemberBody,
    says="The new member.",
)
async def add_member(request: Request, caller: Caller, workspace_id: str) -> Response:
    fields = await read_body(request, NewMemberRequest)
    database = services(request).database
    return json_answer(
        member_body(
            *await workspaces.set_member(database, caller, workspace_id, user_id=fields.user_id, role=fields.role)
        )
    )


@routes.post(
    "/workspaces/{workspace_id}/users/{user_id}",
    "Change a member's role in a workspace",
    request=MemberRequest,
    answer=MemberBody,
    says="The member with the new role.",
)
async def set_member(request: Request, caller: Caller, workspace_id: str, user_id: str) -> Response:
    fields = await read_body(request, MemberRequest)
    database = services(request).database
    return json_answer(
        member_body(*await workspaces.set_member(database, caller, workspace_id, user_id=user_id, role=fields.role))
    )


@routes.delete(
    "/workspaces/{workspace_id}/users/{user_id}",
    "Remove a member from a workspace",
    answer=Deleted,
    says="The id of the removed member.",
)
async def remove_member(request: Request, caller: Caller, workspace_id: str, user_id: str) -> Response:
    await workspaces.remove_member(services(request).database, caller, workspace_id, user_id=user_id)
    return json_answer(Deleted(object="organization.workspace.user.deleted", id=user_id))


@routes.get("/users", "List the organization's users", answer=PageOf[UserBody], says="The users, by name.")
async def list_users(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    limit = bounded(limit)
    users = await members.visible(services(request).database, caller, after=after, limit=limit + 1)
    return cut(users, limit, user_body)


@routes.post(
    "/users",
    "Create a user",
    request=NewUserRequest,
    answer=NewUserBody,
    says="The new user with a token that signs in once.",
)
async def create_user(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewUserRequest)
    with in_words():
        new_member = await members.create(
            services(request).database, caller, fields.name, role=fields.role, email=fields.email
        )
    return json_answer(_new_user(new_member))


@routes.post(
    "/users/{user_id}/reset",
    "Sign a user out everywhere, remove the password, and create a link that signs in once",
    answer=NewUserBody,
    says="The user with the link's token.",
)
async def reset_user(request: Request, caller: Caller, user_id: str) -> Response:
    return json_answer(_new_user(await members.reset(services(request).database, caller, user_id)))


@routes.post(
    "/users/{user_id}/link",
    "Create a link that signs a user in once, within a day",
    answer=NewUserBody,
    says="The user with the link's token.",
)
async def link_user(request: Request, caller: Caller, user_id: str) -> Response:
    return json_answer(_new_user(await members.login_link(services(request).database, caller, user_id)))


@routes.get("/users/{user_id}", "Get a user", answer=UserBody, says="The user.")
async def get_user(request: Request, caller: Caller, user_id: str) -> Response:
    return json_answer(user_body(await members.get(services(request).database, caller, user_id)))


@routes.post(
    "/users/{user_id}",
    "Change a user's name, address or role, or disable the account",
    request=UserRequest,
    answer=UserBody,
    says="The changed user.",
)
async def change_user(request: Request, caller: Caller, user_id: str) -> Response:
    fields = await read_body(request, UserRequest)
    changes = members.UserChanges(
        name=fields.name,
        email=fields.email,
        removes_email="email" in fields.model_fields_set and fields.email is None,
        role=fields.role,
        disabled=fields.disabled,
    )
    with in_words():
        return json_answer(
            user_body(await members.change(services(request).database, caller, user_id, changes=changes))
        )


@routes.delete(
    "/users/{user_id}",
    "Disable a user: sessions end, keys stop working, the usage stays",
    answer=Deleted,
    says="The id of the disabled user.",
)
async def disable_user(request: Request, caller: Caller, user_id: str) -> Response:
    await members.change(services(request).database, caller, user_id, changes=members.UserChanges(disabled=True))
    return json_answer(Deleted(object="organization.user.deleted", id=user_id))


@routes.get(
    "/audit_logs", "List the audit log", answer=PageOf[AuditBody], says="The entries of the audit log, newest first."
)
async def list_audit_log(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    limit = bounded(limit)
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise invalid(
            f"'{after[:100]}' isn't the id of an entry of the audit log", param="after", code="audit_entry_not_found"
        )
    before = None if after is None else int(after)
    rows = await workspaces.audit_log(services(request).database, caller, before=before, limit=limit + 1)
    return cut(rows, limit, audit_body)


def _new_user(new_member: members.NewMember) -> NewUserBody:
    user = new_member.user
    return NewUserBody(id=user.id, name=user.name, email=user.email, role=user.role, login_token=new_member.login_token)
