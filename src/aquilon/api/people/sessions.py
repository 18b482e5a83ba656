"""Signing in and out, and the account of the person who is signed in."""

from __future__ import annotations

import time

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller, Person
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf, in_words
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import invalid, refused
from aquilon.people.administration import profile
from aquilon.people.administration.members import UserChanges
from aquilon.people.cookies import clear_session, require_private_transport, session_id, set_session
from aquilon.people.identity import Principal
from aquilon.people.origin import require_same_origin
from aquilon.people.passwords import MAX_CHARACTERS
from aquilon.people.store import sessions
from aquilon.people.store.sessions import SESSION_SECONDS, Browser, SessionHolder, SignedIn
from aquilon.people.tables import Session

routes = Routes(tag="session")

MAX_SIGN_IN_BYTES = 8192


class LoginRequest(OwnFields):
    """Either ``token``, or ``name`` and ``password``."""

    token: str | None = Field(
        None, min_length=1, max_length=200, description="The part of a one-time link after `#login=`."
    )
    name: str | None = Field(None, min_length=1, max_length=254, description="An e-mail address, or a user's name.")
    password: str | None = Field(None, min_length=1, max_length=MAX_CHARACTERS)
    organization: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="The organization by name or id. If left out, an address may be in any organization, "
        "a name only in the one that runs the server.",
    )


class PasswordRequest(OwnFields):
    password: str = Field(min_length=1, max_length=MAX_CHARACTERS)
    current: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_CHARACTERS,
        description="The present password, if there is one. Not needed for 15 minutes after a one-time link.",
    )


class ProfileRequest(OwnFields):
    """Fields that are left out stay unchanged."""

    name: str | None = Field(None, min_length=1, max_length=100)
    email: str | None = Field(None, max_length=254, description="null removes the address.")


class WorkspaceRequest(OwnFields):
    workspace_id: str = Field(min_length=1, max_length=100, description="The workspace's id or name.")


class SessionUser(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    email: str | None
    role: str
    """The role in the organization."""
    has_password: bool


class SessionOrganization(msgspec.Struct, frozen=True):
    id: str
    name: str
    operates: bool
    """Whether it runs the server: its owners and administrators manage models, upstreams, prices, organizations."""


class SessionWorkspace(msgspec.Struct, frozen=True):
    id: str
    name: str
    role: str | None
    """Null for a person whose access comes from the role in the organization alone."""


class SessionBody(msgspec.Struct, frozen=True, kw_only=True):
    """``permissions`` are the actions that are allowed now, in ``workspace`` or in the whole organization;
    ``workspace`` is null for a person without a workspace."""

    user: SessionUser
    organization: SessionOrganization
    workspace: SessionWorkspace | None
    workspaces: list[SessionWorkspace]
    permissions: list[str]
    by: str
    """``session`` or ``api_key``."""


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "session"
    id: str
    current: bool
    """Whether the request comes from this session."""
    method: str
    """How the session began: ``link``, ``password``, ``invitation`` or ``oidc:NAME``."""
    user_agent: str
    address: str
    created_at: int
    last_used_at: int
    """Exact to the minute."""
    expires_at: int


@routes.post(
    "/auth/login",
    "Sign in with a one-time link's token, or with a name and password",
    request=LoginRequest,
    answer=SessionBody,
    says="The new session; the answer sets its cookie.",
)
async def login(request: Request) -> Response:
    require_page(request)
    fields = await read_body(request, LoginRequest, most=MAX_SIGN_IN_BYTES)
    sign_in = services(request).sign_in
    browser, former = browser_of(request), session_id(request)
    if fields.token is not None and fields.name is None and fields.password is None:
        signed_in = await sign_in.by_link(fields.token, browser, former)
    elif fields.name is not None and fields.password is not None and fields.token is None:
        signed_in = await sign_in.by_password(
            fields.name, fields.password, fields.organization, browser=browser, former=former
        )
    else:
        raise invalid("Send either 'token', or 'name' and 'password'", param="name", code="token_or_password")
    return await signed_in_answer(request, signed_in)


@routes.get(
    "/auth/session",
    "Get the caller's user, organization and permissions",
    answer=SessionBody,
    says="The caller's session.",
)
async def current_session(request: Request, caller: Caller) -> Response:
    return json_answer(await _session_body(request, caller))


@routes.post("/auth/logout", "End the session", says="The session has ended.", status=204)
async def logout(request: Request) -> Response:
    response = Response(status_code=204)
    current = session_id(request)
    if current is not None:
        require_same_origin(request)
        async with services(request).database.writing() as session:
            await sessions.sign_out(session, current)
        clear_session(request, response)
    return response


@routes.get(
    "/auth/sessions",
    "List the caller's sessions",
    answer=ListOf[OpenSession],
    says="The open sessions, last used first.",
)
async def list_sessions(request: Request, person: Person) -> Response:
    rows = await profile.own_sessions(services(request).database, person)
    return json_answer(ListOf(data=[_open_session(row, person) for row in rows]))


@routes.delete(
    "/auth/sessions/{session_id}", "End one of the caller's sessions", says="The session has ended.", status=204
)
async def end_session(request: Request, person: Person, session_id: str) -> Response:
    await profile.end_session(services(request).database, person, session_id)
    return Response(status_code=204)


@routes.post(
    "/auth/workspace",
    "Choose the workspace of this session",
    request=WorkspaceRequest,
    answer=SessionBody,
    says="The session in its new workspace.",
)
async def choose_workspace(request: Request, person: Person) -> Response:
    fields = await read_body(request, WorkspaceRequest)
    await profile.choose_workspace(services(request).database, person, fields.workspace_id)
    return await _changed_session(request, person)


@routes.post(
    "/auth/profile",
    "Change the caller's name or e-mail address",
    request=ProfileRequest,
    answer=SessionBody,
    says="The session with the changed user.",
)
async def change_profile(request: Request, person: Person) -> Response:
    fields = await read_body(request, ProfileRequest)
    removes_email = "email" in fields.model_fields_set and fields.email is None
    changes = UserChanges(name=fields.name, email=fields.email, removes_email=removes_email)
    with in_words():
        await profile.change(services(request).database, person, changes)
    return await _changed_session(request, person)


@routes.post(
    "/auth/password",
    "Set or change the caller's password; every other session ends",
    request=PasswordRequest,
    says="The password was set.",
    status=204,
)
async def set_password(request: Request, person: Person) -> Response:
    fields = await read_body(request, PasswordRequest, most=MAX_SIGN_IN_BYTES)
    state = services(request)
    try:
        await profile.set_password(
            state.database,
            state.passwords,
            state.sign_in,
            holder=person,
            new=fields.password,
            current=fields.current,
            now=int(time.time()),
            address=browser_of(request).address,
        )
    except ValueError as error:
        raise refused(error, param="password", code="password_refused") from None
    return Response(status_code=204)


def require_page(request: Request) -> None:
    """Raises ApiError 403 for a request from another site, or one that would send a cookie in the clear."""
    require_same_origin(request, allow_none=True)
    require_private_transport(request)


def browser_of(request: Request) -> Browser:
    address = request.client.host if request.client is not None else ""
    return Browser(request.headers.get("user-agent", ""), address)


async def signed_in_answer(request: Request, signed_in: SignedIn) -> Response:
    response = json_answer(await _session_body(request, signed_in.principal))
    set_session(request, response, signed_in.session_id, seconds=SESSION_SECONDS)
    return response


async def _changed_session(request: Request, person: SessionHolder) -> Response:
    holder = await services(request).session_holders.of(session_id(request) or "")
    return json_answer(await _session_body(request, (holder or person).principal))


async def _session_body(request: Request, principal: Principal) -> SessionBody:
    account = await profile.profile(services(request).database, principal)
    user = account.user
    workspaces = [SessionWorkspace(workspace.id, workspace.name, role) for workspace, role in account.workspaces]
    return SessionBody(
        user=SessionUser(
            id=user.id, name=user.name, email=user.email, role=principal.role, has_password=account.has_password
        ),
        organization=SessionOrganization(principal.organization_id, principal.organization_name, principal.operates),
        workspace=next((workspace for workspace in workspaces if workspace.id == principal.workspace_id), None),
        workspaces=workspaces,
        permissions=list(account.permissions),
        by="session" if principal.api_key_id is None else "api_key",
    )


def _open_session(row: Session, person: SessionHolder) -> OpenSession:
    return OpenSession(
        id=row.id,
        current=row.id == person.id,
        method=row.method,
        user_agent=row.user_agent,
        address=row.address,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )
