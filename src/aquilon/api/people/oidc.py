"""``/auth/methods`` and ``/auth/oidc``: signing in with an identity provider.

A sign-in begins with a same-origin POST and ends in the same browser: `people.pending_sign_in`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from aquilon.api.authentication import Person, signed_in
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.people.sessions import MAX_SIGN_IN_BYTES, browser_of, require_page
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import ApiError, invalid, not_found
from aquilon.log import get_logger
from aquilon.people.administration import profile, single_sign_on
from aquilon.people.administration.identity_providers import client_of
from aquilon.people.cookies import require_private_transport, session_id, set_session
from aquilon.people.openid import OpenIdError
from aquilon.people.passwords import MIN_CHARACTERS
from aquilon.people.pending_sign_in import PendingSignIn, forget, is_own_path, recall, remember
from aquilon.people.store import identity_providers
from aquilon.people.store.sessions import SESSION_SECONDS, SignedIn
from aquilon.people.tables import IdentityProvider
from aquilon.storage.sealing import SealError

routes = Routes(tag="session")

log = get_logger("aquilon.auth")


class SignInMethod(msgspec.Struct, frozen=True):
    name: str
    """The name in ``POST /auth/oidc/NAME/start``."""
    label: str


class SignInMethods(msgspec.Struct, frozen=True, kw_only=True):
    """The ways to sign in. A new account needs an invitation or a provider that lets newcomers in."""

    password: bool
    link: bool
    providers: list[SignInMethod]
    min_password_characters: int
    waiting_list: bool
    """Whether visitors may ask to join the organization that runs the server."""


class StartRequest(OwnFields):
    to: Annotated[str, Field(max_length=500)] = Field(
        "/", description="The path on this server to open after the sign-in."
    )
    invitation: str | None = Field(
        None, min_length=1, max_length=200, description="The token of an invitation to join with."
    )
    link: bool = Field(False, description="Whether to add the identity to the account that is signed in.")


class OwnIdentity(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "identity"
    provider: str
    label: str
    subject: str
    """The person's id at the provider."""
    email: str | None
    """The address that the provider had verified when the identity was added."""
    created_at: int


class StartBody(msgspec.Struct, frozen=True):
    url: str
    """The provider's page to open in this browser."""


@routes.get(
    "/auth/methods", "List the ways to sign in", answer=SignInMethods, says="The ways to sign in on this server."
)
async def methods(request: Request) -> Response:
    async with services(request).database.reading() as session:
        rows = await identity_providers.list_providers(session)
    providers = [
        SignInMethod(provider.name, provider.label)
        for provider, organization in rows
        if provider.disabled_at is None and organization.disabled_at is None
    ]
    return json_answer(
        SignInMethods(
            password=True,
            link=True,
            providers=providers,
            min_password_characters=MIN_CHARACTERS,
            waiting_list=await services(request).waiting_list.is_open(),
        )
    )


@routes.post(
    "/auth/oidc/{provider}/start",
    "Begin to sign in with an identity provider",
    request=StartRequest,
    answer=StartBody,
    says="The provider's page to open; a cookie keeps this sign-in for ten minutes.",
)
async def start(request: Request, provider: str) -> Response:
    require_page(request)
    fields = await read_body(request, StartRequest, most=MAX_SIGN_IN_BYTES)
    if not is_own_path(fields.to):
        raise invalid("'to' is a path on this server, such as /console", param="to", code="invalid_return_path")
    link_to = (await signed_in(request)).principal.user_id if fields.link else None
    state = services(request)
    row = await _provider(request, provider)
    pending = PendingSignIn(provider_id=row.id, to=fields.to, invitation=fields.invitation, link_to=link_to)
    try:
        url = await state.openid.authorization_url(
            client_of(row, state.sealer),
            _redirect_uri(request, row),
            state=pending.state,
            nonce=pending.nonce,
            verifier=pending.verifier,
        )
        answer = json_answer(StartBody(url))
        remember(request, answer, state.sealer, pending=pending)
    except (OpenIdError, SealError) as error:
        raise _unusable(row, error) from None
    return answer


@routes.get(
    "/auth/oidc/{provider}/callback",
    "Finish a sign-in when the identity provider sends the browser back",
    says="A redirect to the page with the session's cookie, or to `/#sign-in-failed=CODE` with an error's code.",
    status=303,
    status_code=303,
    response_class=Response,
)
async def callback(request: Request, provider: str) -> Response:
    require_private_transport(request)
    try:
        row = await _provider(request, provider)
        pending = recall(request, services(request).sealer, row.id, state=request.query_params.get("state", ""))
        if pending is None:
            raise invalid(
                "This browser didn't begin this sign-in, or began it more than ten minutes ago", code="not_begun_here"
            )
        session = await _finish(request, row, pending)
    except ApiError as error:
        log.info("A sign-in failed", provider=provider[:100], code=error.code, reason=error.message)
        answer: Response = RedirectResponse(f"/#sign-in-failed={error.code or 'unknown'}", 303)
    else:
        answer = RedirectResponse(pending.to, 303)
        set_session(request, answer, session.session_id, seconds=SESSION_SECONDS)
    forget(request, answer)
    return answer


@routes.get(
    "/auth/identities",
    "List the caller's identities at identity providers",
    answer=ListOf[OwnIdentity],
    says="The caller's identities, by provider.",
)
async def list_identities(request: Request, person: Person) -> Response:
    rows = await profile.own_identities(services(request).database, person)
    return json_answer(
        ListOf(
            data=[
                OwnIdentity(
                    provider=provider.name,
                    label=provider.label,
                    subject=identity.subject,
                    email=identity.email,
                    created_at=identity.created_at,
                )
                for identity, provider in rows
            ]
        )
    )


@routes.delete(
    "/auth/identities/{provider}",
    "Remove one of the caller's identities",
    says="The identity was removed.",
    status=204,
)
async def remove_identity(request: Request, person: Person, provider: str) -> Response:
    await profile.remove_identity(services(request).database, person, provider)
    return Response(status_code=204)


async def _finish(request: Request, row: IdentityProvider, pending: PendingSignIn) -> SignedIn:
    """Raises ApiError."""
    state, query = services(request), request.query_params
    if pending.link_to is not None:
        holder = await state.session_holders.of(session_id(request) or "")
        if holder is None or holder.principal.user_id != pending.link_to:
            raise invalid("The account to add the identity to is no longer signed in", code="not_begun_here")
    try:
        client = client_of(row, state.sealer)
        await state.openid.require_issuer(client, query.get("iss"))
        if "error" in query or not query.get("code"):
            reason = f"{query.get('error', 'no code')[:100]}: {query.get('error_description', '')[:300]}"
            log.warning("An identity provider refused", provider=row.name, reason=reason)
            raise invalid("The identity provider refused the sign-in", code="provider_refused")
        claims = await state.openid.claims(
            client, _redirect_uri(request, row), code=query["code"], nonce=pending.nonce, verifier=pending.verifier
        )
    except (OpenIdError, SealError) as error:
        raise _unusable(row, error) from None
    return await single_sign_on.sign_in(
        state.database,
        row.id,
        claims,
        browser=browser_of(request),
        former=session_id(request),
        invitation=pending.invitation,
        link_to=pending.link_to,
    )


async def _provider(request: Request, name: str) -> IdentityProvider:
    async with services(request).database.reading() as session:
        row = await identity_providers.provider_by(session, name)
    if row is not None:
        provider, organization = row
        if provider.name == name and provider.disabled_at is None and organization.disabled_at is None:
            return provider
    raise not_found(
        f"There is no identity provider '{name[:100]}'", code="identity_provider_not_found", values={"name": name[:100]}
    )


def _redirect_uri(request: Request, row: IdentityProvider) -> str:
    """The redirect URI that is registered at the provider."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}/auth/oidc/{row.name}/callback"


def _unusable(row: IdentityProvider, error: Exception) -> ApiError:
    log.warning("An identity provider can't be used", provider=row.name, reason=str(error))
    return ApiError(
        502,
        "server_error",
        f"Signing in with {row.label} doesn't work now; the server's log says why",
        code="provider_unusable",
        values={"provider": row.label},
    )
