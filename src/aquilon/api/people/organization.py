"""``/v1/organization/…``: workspaces, users and the audit log, named as in OpenAI's administration API.

What OpenAI calls a project is a workspace here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, PageOf, bounded, in_words, listed, page
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
from aquilon.errors import invalid
from aquilon.people.administration import members, workspaces
from aquilon.people.identity import Role

routes = Routes("/v1/organization", tag="organization")

Name = Annotated[str, Field(min_length=1, max_length=100)]
Id = Annotated[str, Field(min_length=1, max_length=100)]
Email = Annotated[str, Field(min_length=3, max_length=254)]


class NameRequest(Fields):
    name: Name


class OrganizationRequest(Fields):
    """What is left out stays as it is."""

    name: Name | None = None
    password_sign_in: bool | None = Field(
        None, description="false: its people sign in with its identity provider, or a one-time link, alone."
    )


class NewUserRequest(Fields):
    name: Name
    role: Role = "member"
    email: Email | None = Field(None, description="Signs in wherever the name does.")


class UserRequest(Fields):
    """What is left out stays as it is."""

    name: Name | None = None
    email: Email | None = Field(None, description="null takes it away.")
    role: Role | None = None
    disabled: bool | None = None


class NewMemberRequest(Fields):
    user_id: Id
    role: Role = "member"


class MemberRequest(Fields):
    role: Role


@routes.get("", "The caller's organization", answer=OrganizationBody, says="It")
async def get_organization(request: Request, caller: Caller) -> Response:
    return json_answer(organization_body(await workspaces.organization(services(request).database, caller)))


@routes.post(
    "",
    "Rename the organization, or say how its people sign in",
    request=OrganizationRequest,
    answer=OrganizationBody,
    says="As it is now",
)
async def change_organization(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, OrganizationRequest)
    with in_words():
        found = await workspaces.change_organization(
            services(request).database, caller, name=fields.name, password_sign_in=fields.password_sign_in
        )
    return json_answer(organization_body(found))


@routes.get("/workspaces", "Workspaces", answer=PageOf[WorkspaceBody], says="Oldest first")
async def list_workspaces(
    request: Request, caller: Caller, after: str | None = None, limit: int = MOST, include_archived: bool = False
) -> Response:
    found = await workspaces.visible(services(request).database, caller)
    shown = [workspace_body(row) for row in found if include_archived or row.archived_at is None]
    return page(shown, after, limit)


@routes.post("/workspaces", "Make a workspace", request=NameRequest, answer=WorkspaceBody, says="The new workspace")
async def create_workspace(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NameRequest)
    with in_words():
        return json_answer(workspace_body(await workspaces.create(services(request).database, caller, fields.name)))


@routes.get("/workspaces/{workspace_id}", "One workspace", answer=WorkspaceBody, says="It")
async def get_workspace(request: Request, caller: Caller, workspace_id: str) -> Response:
    return json_answer(workspace_body(await workspaces.get(services(request).database, caller, workspace_id)))


@routes.post(
    "/workspaces/{workspace_id}", "Rename a workspace", request=NameRequest, answer=WorkspaceBody, says="As it is now"
)
async def rename_workspace(request: Request, caller: Caller, workspace_id: str) -> Response:
    fields = await read_body(request, NameRequest)
    with in_words():
        found = await workspaces.rename(services(request).database, caller, workspace_id, name=fields.name)
    return json_answer(workspace_body(found))


@routes.post(
    "/workspaces/{workspace_id}/archive",
    "Archive a workspace: its keys stop working, its usage stays",
    answer=WorkspaceBody,
    says="As it is now",
)
async def archive_workspace(request: Request, caller: Caller, workspace_id: str) -> Response:
    with in_words():
        return json_answer(workspace_body(await workspaces.archive(services(request).database, caller, workspace_id)))


@routes.get("/workspaces/{workspace_id}/users", "Who is in a workspace", answer=PageOf[MemberBody], says="By name")
async def list_members(
    request: Request, caller: Caller, workspace_id: str, after: str | None = None, limit: int = MOST
) -> Response:
    found = await workspaces.members(services(request).database, caller, workspace_id)
    return page([member_body(*each) for each in found], after, limit)


@routes.post(
    "/workspaces/{workspace_id}/users",
    "Take a user into a workspace",
    request=NewMemberRequest,
    answer=MemberBody,
    says="The member",
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
    "Give a member another role in a workspace",
    request=MemberRequest,
    answer=MemberBody,
    says="The member",
)
async def set_member(request: Request, caller: Caller, workspace_id: str, user_id: str) -> Response:
    fields = await read_body(request, MemberRequest)
    database = services(request).database
    return json_answer(
        member_body(*await workspaces.set_member(database, caller, workspace_id, user_id=user_id, role=fields.role))
    )


@routes.delete(
    "/workspaces/{workspace_id}/users/{user_id}", "Take a member out of a workspace", answer=Deleted, says="Done"
)
async def remove_member(request: Request, caller: Caller, workspace_id: str, user_id: str) -> Response:
    await workspaces.remove_member(services(request).database, caller, workspace_id, user_id=user_id)
    return json_answer(Deleted(object="organization.workspace.user.deleted", id=user_id))


@routes.get("/users", "The organization's people", answer=PageOf[UserBody], says="By name")
async def list_users(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    found = await members.visible(services(request).database, caller)
    return page([user_body(row) for row in found], after, limit)


@routes.post(
    "/users",
    "Make an account",
    request=NewUserRequest,
    answer=NewUserBody,
    says="The new user, with a token that signs in once",
)
async def create_user(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewUserRequest)
    with in_words():
        made = await members.create(
            services(request).database, caller, fields.name, role=fields.role, email=fields.email
        )
    return json_answer(_new_user(made))


@routes.post(
    "/users/{user_id}/reset",
    "Sign a user out everywhere, take the password away, and give a link that signs in once",
    answer=NewUserBody,
    says="The user, with the link's token",
)
async def reset_user(request: Request, caller: Caller, user_id: str) -> Response:
    return json_answer(_new_user(await members.reset(services(request).database, caller, user_id)))


@routes.post(
    "/users/{user_id}/link",
    "Another link that signs a user in once, within a day",
    answer=NewUserBody,
    says="The user, with the link's token",
)
async def link_user(request: Request, caller: Caller, user_id: str) -> Response:
    return json_answer(_new_user(await members.login_link(services(request).database, caller, user_id)))


@routes.get("/users/{user_id}", "One user", answer=UserBody, says="The user")
async def get_user(request: Request, caller: Caller, user_id: str) -> Response:
    return json_answer(user_body(await members.get(services(request).database, caller, user_id)))


@routes.post(
    "/users/{user_id}",
    "Give a user another name, address or role, or disable the account",
    request=UserRequest,
    answer=UserBody,
    says="As it is now",
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
    "/users/{user_id}", "Disable an account: its sessions and keys end, its usage stays", answer=Deleted, says="Done"
)
async def disable_user(request: Request, caller: Caller, user_id: str) -> Response:
    await members.change(services(request).database, caller, user_id, changes=members.UserChanges(disabled=True))
    return json_answer(Deleted(object="organization.user.deleted", id=user_id))


@routes.get("/audit_logs", "Who changed what", answer=PageOf[AuditBody], says="The newest first")
async def list_audit_log(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    limit = bounded(limit)
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise invalid(f"'{after[:100]}' is no entry of the audit log", param="after")
    before = None if after is None else int(after)
    found = await workspaces.audit_log(services(request).database, caller, before=before, limit=limit + 1)
    shown = [audit_body(row) for row in found[:limit]]
    return json_answer(listed(shown, has_more=len(found) > limit))


def _new_user(made: members.NewMember) -> NewUserBody:
    user = made.user
    return NewUserBody(id=user.id, name=user.name, email=user.email, role=user.role, login_token=made.login_token)
