"""Signing in with a one-time link, and out again."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.platform.api.body import Fields, read_body
from aquilon.platform.api.schemas import answers, request_body
from aquilon.platform.auth.authentication import Caller
from aquilon.platform.auth.cookies import clear_session, require_private_transport, session_id, set_session
from aquilon.platform.auth.origin import require_same_origin
from aquilon.platform.domain.errors import ApiError, unauthenticated
from aquilon.platform.domain.identity import Principal
from aquilon.platform.services import services
from aquilon.platform.storage import accounts

router = APIRouter(tags=["session"])

MAX_LOGIN_BYTES = 4096


class LoginRequest(Fields):
    token: str = Field(min_length=1, max_length=200, description="What a sign-in link carries after `#login=`.")


class SessionUser(msgspec.Struct, frozen=True):
    name: str
    role: str


class SessionOrganization(msgspec.Struct, frozen=True):
    name: str


class SessionBody(msgspec.Struct, frozen=True):
    user: SessionUser
    organization: SessionOrganization


@router.post(
    "/auth/login",
    summary="Trade a one-time link's token for a session cookie",
    openapi_extra=request_body(LoginRequest),
    responses=answers(SessionBody, description="Signed in; the cookie is set"),
)
async def login(request: Request) -> Response:
    require_same_origin(request, allow_none=True)
    require_private_transport(request)
    attempts = services(request).login_attempts
    address = request.client.host if request.client is not None else ""
    if wait := attempts.wait(address):
        raise ApiError(
            429,
            "rate_limit_error",
            f"Too many failed sign-ins from this address: try again in {wait} seconds",
            code="too_many_attempts",
            retry_after=wait,
        )
    fields = await read_body(request, LoginRequest, most=MAX_LOGIN_BYTES)
    async with services(request).database.writing() as session:
        signed_in = await accounts.sign_in(session, fields.token)
        former = session_id(request)
        if signed_in is not None and former is not None:
            await accounts.sign_out(session, former)
    if signed_in is None:
        attempts.failed(address)
        raise unauthenticated(
            "This sign-in link is wrong, was used already, or is older than a day: "
            "make another with `aquilon users link NAME`",
            code="invalid_login_token",
        )
    response = _session_response(signed_in.principal)
    set_session(request, response, signed_in.session_id, seconds=accounts.SESSION_SECONDS)
    return response


@router.get("/auth/session", summary="Who is signed in", responses=answers(SessionBody, description="The user"))
async def current_session(caller: Caller) -> Response:
    return _session_response(caller)


@router.post("/auth/logout", summary="End the session", responses=answers(None, status=204, description="Signed out"))
async def logout(request: Request) -> Response:
    response = Response(status_code=204)
    current = session_id(request)
    if current is not None:
        require_same_origin(request)
        async with services(request).database.writing() as session:
            await accounts.sign_out(session, current)
        clear_session(request, response)
    return response


def _session_response(principal: Principal) -> Response:
    body = SessionBody(
        SessionUser(principal.user_name, principal.role), SessionOrganization(principal.organization_name)
    )
    return Response(msgspec.json.encode(body), media_type="application/json", headers={"cache-control": "no-store"})
