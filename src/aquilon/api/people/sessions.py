"""Signing in and out, and what a person may see and change of their own account."""

from __future__ import annotations

import time

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller, Person
from aquilon.api.body import Fields, read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf, in_words
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.people.administration import profile as own
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


class LoginRequest(Fields):
    """Either ``token``, or ``name`` and ``password``."""

    token: str | None = Field(None, min_length=1, max_length=200, description="What a link carries after `#login=`.")
    name: str | None = Field(None, min_length=1, max_length=254, description="An e-mail address, or a user's name.")
    password: str | None = Field(None, min_length=1, max_length=MAX_CHARACTERS)
    organization: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="By name or id. Without: an address in any, a name in the one that runs the server.",
    )


class PasswordRequest(Fields):
    password: str = Field(min_length=1, max_length=MAX_CHARACTERS)
    current: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_CHARACTERS,
        description="Needed where there is one, but not within 15 minutes of signing in by a one-time link.",
    )


class ProfileRequest(Fields):
    """What is left out stays as it is."""

    name: str | None = Field(None, min_length=1, max_length=100)
    email: str | None = Field(None, max_length=254, description="null takes it away.")


class WorkspaceRequest(Fields):
    workspace_id: str = Field(min_length=1, max_length=100, description="Its id or name.")


class SessionUser(msgspec.Struct, frozen=True):
    id: str
    name: str
    email: str | None
    role: str
    """In the organization."""
    has_password: bool


class SessionOrganization(msgspec.Struct, frozen=True):
    id: str
    name: str
    operates: bool
    """Whether it runs the server: its owners and administrators see models, upstreams, prices, organizations."""


class SessionWorkspace(msgspec.Struct, frozen=True):
    id: str
    name: str
    role: str | None
    """Null where only the role in the organization reaches."""


class SessionBody(msgspec.Struct, frozen=True):
    """``permissions`` are the actions that would be allowed now, in ``workspace`` or the organization as a whole;
    ``workspace`` is null for somebody who is in none."""

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
    """Whether it is the one that asks."""
    method: str
    """How it began: ``link``, ``password``, ``invitation`` or ``oidc:NAME``."""
    user_agent: str
    address: str
    created_at: int
    last_used_at: int
    """To the minute."""
    expires_at: int


@routes.post(
    "/auth/login",
    "Sign in with a one-time link's token, or a name and password, for a session cookie",
    request=LoginRequest,
    answer=SessionBody,
    says="Signed in; the cookie is set",
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
        raise invalid("Send either 'token', or 'name' and 'password'", param="name")
    return await signed_in_answer(request, signed_in)


@routes.get("/auth/session", "Who is signed in, and what they may do", answer=SessionBody, says="The user")
async def current_session(request: Request, caller: Caller) -> Response:
    return json_answer(await _session_body(request, caller))


@routes.post("/auth/logout", "End the session", says="Signed out", status=204)
async def logout(request: Request) -> Response:
    response = Response(status_code=204)
    current = session_id(request)
    if current is not None:
        require_same_origin(request)
        async with services(request).database.writing() as session:
            await sessions.sign_out(session, current)
        clear_session(request, response)
    return response


@routes.get("/auth/sessions", "Where one is signed in", answer=ListOf[OpenSession], says="Used last first")
async def list_sessions(request: Request, person: Person) -> Response:
    found = await own.own_sessions(services(request).database, person)
    return json_answer(ListOf(data=[_open_session(row, person) for row in found]))


@routes.delete("/auth/sessions/{session_id}", "Sign out somewhere else", says="That session is over", status=204)
async def end_session(request: Request, person: Person, session_id: str) -> Response:
    await own.end_session(services(request).database, person, session_id)
    return Response(status_code=204)


@routes.post(
    "/auth/workspace",
    "Work in another workspace, in this session",
    request=WorkspaceRequest,
    answer=SessionBody,
    says="As it is now",
)
async def choose_workspace(request: Request, person: Person) -> Response:
    fields = await read_body(request, WorkspaceRequest)
    found = services(request)
    await own.choose_workspace(found.database, person, fields.workspace_id)
    return await _changed_session(request, person)


@routes.post(
    "/auth/profile",
    "Change one's own name or e-mail address",
    request=ProfileRequest,
    answer=SessionBody,
    says="As it is now",
)
async def change_profile(request: Request, person: Person) -> Response:
    fields = await read_body(request, ProfileRequest)
    removes_email = "email" in fields.model_fields_set and fields.email is None
    changes = UserChanges(name=fields.name, email=fields.email, removes_email=removes_email)
    with in_words("name" if fields.email is None else "email"):
        await own.change(services(request).database, person, changes)
    return await _changed_session(request, person)


@routes.post(
    "/auth/password",
    "Set or change one's password; every other session ends",
    request=PasswordRequest,
    says="Set",
    status=204,
)
async def set_password(request: Request, person: Person) -> Response:
    fields = await read_body(request, PasswordRequest, most=MAX_SIGN_IN_BYTES)
    found = services(request)
    try:
        await own.set_password(
            found.database,
            found.passwords,
            found.sign_in,
            holder=person,
            new=fields.password,
            current=fields.current,
            now=int(time.time()),
            address=browser_of(request).address,
        )
    except ValueError as error:
        raise invalid(str(error), param="password", code="password_refused") from None
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
    found = await own.profile(services(request).database, principal)
    places = [SessionWorkspace(place.id, place.name, role) for place, role in found.workspaces]
    here = next((place for place in places if place.id == principal.workspace_id), None)
    return SessionBody(
        SessionUser(found.user.id, found.user.name, found.user.email, principal.role, found.has_password),
        SessionOrganization(principal.organization_id, principal.organization_name, principal.operates),
        here,
        places,
        list(found.permissions),
        "session" if principal.api_key_id is None else "api_key",
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
