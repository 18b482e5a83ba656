"""The user of a request: by the API key in ``Authorization`` or ``x-api-key``, else by the session in the cookie."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from aquilon.api.services import services
from aquilon.errors import forbidden, unauthenticated
from aquilon.people.cookies import session_id
from aquilon.people.identity import Principal
from aquilon.people.origin import IN_PROCESS, comes_from_loopback, require_same_origin
from aquilon.people.secrets import looks_like_api_key
from aquilon.people.store.api_keys import KeyHolder
from aquilon.people.store.sessions import SessionHolder
from aquilon.upstreams.upstream import LOOP_HEADER, LOOP_NAME

_LOOP_HEADER, _LOOP_NAME = LOOP_HEADER.encode(), LOOP_NAME.encode()


async def authenticate(request: Request) -> Principal:
    """Raises ApiError: 401 without a valid key or session, 403 for a session's unsafe request from another site."""
    authorization = _authorization(request)
    principal: Principal
    if IN_PROCESS in request.scope:
        principal = request.scope[IN_PROCESS]
    elif authorization is not None:
        principal = await _by_api_key(request, authorization)
    else:
        principal = await _by_session(request)
    return admitted(request, principal)


def admitted(request: Request, principal: Principal) -> Principal:
    """The request's principal, with the servers that passed the request on counted."""
    for name, value in request.scope["headers"]:
        if name == _LOOP_HEADER and (hops := value.lower().count(_LOOP_NAME)):
            principal = replace(principal, hops=principal.hops + hops)
    request.state.principal = principal  # for the access log
    return principal


def brings_no_credentials(request: Request) -> bool:
    """Whether the request has neither an API key nor a session, valid or not."""
    return IN_PROCESS not in request.scope and _authorization(request) is None and session_id(request) is None


async def authenticate_unless_loopback(request: Request) -> None:
    """For routes that an operator's scraper on the same machine may read without a key. Raises ApiError 401."""
    if not comes_from_loopback(request) or _authorization(request) is not None:
        await authenticate(request)


async def signed_in(request: Request) -> SessionHolder:
    """The session behind a request: for actions on a person's own account, which an API key may not take.

    Raises ApiError 401, or 403 with an API key.
    """
    if _authorization(request) is not None:
        raise forbidden("Only a person who is signed in may do this; an API key may not", code="session_required")
    holder = await _session_holder(request)
    if holder is None:
        raise unauthenticated("Sign in first: only a person who is signed in may do this", code="session_required")
    request.state.principal = holder.principal
    return holder


Caller = Annotated[Principal, Depends(authenticate)]
Person = Annotated[SessionHolder, Depends(signed_in)]


def _authorization(request: Request) -> str | None:
    """The ``Authorization`` header, or Anthropic's ``x-api-key`` in its form."""
    authorization = request.headers.get("authorization")
    if authorization is None and (key := request.headers.get("x-api-key")) is not None:
        return f"Bearer {key}"
    return authorization


async def _by_api_key(request: Request, authorization: str) -> Principal:
    scheme, _, secret = authorization.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise unauthenticated("Send the API key as 'Authorization: Bearer aq-…'", code="invalid_authorization")
    holder = await services(request).key_holders.of(secret) if looks_like_api_key(secret) else None
    if holder is None:
        raise unauthenticated(
            "This API key is not valid here: check it, or create one with `aquilon keys create --name NAME`",
            code="invalid_api_key",
        )
    _require_address(request, holder)
    return holder.principal


def _require_address(request: Request, holder: KeyHolder) -> None:
    """Raises ApiError 403 unless the key may be used from the address that the request comes from."""
    if holder.allowed_addresses is None:
        return
    try:
        address = ipaddress.ip_address(request.client.host if request.client is not None else "")
    except ValueError:
        allowed = False
    else:
        allowed = any(address in ipaddress.ip_network(network) for network in holder.allowed_addresses)
    if not allowed:
        raise forbidden(
            "This API key may not be used from the address that the request comes from", code="address_not_allowed"
        )


async def _by_session(request: Request) -> Principal:
    holder = await _session_holder(request)
    if holder is None:
        raise unauthenticated(
            "An API key is needed ('Authorization: Bearer aq-…'), or a session: sign in on the page, or with a link "
            "from `aquilon users link NAME`",
            code="missing_api_key",
        )
    return holder.principal


async def _session_holder(request: Request) -> SessionHolder | None:
    cookie = session_id(request)
    if cookie is None:
        return None
    require_same_origin(request)
    return await services(request).session_holders.of(cookie)
