"""``/v1/server/identity-providers``: the identity providers with which people sign in."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, PageOf, in_words, page
from aquilon.api.people.organization import Id, Name
from aquilon.api.people.organization_bodies import Deleted
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import server_error
from aquilon.people.administration import identity_providers
from aquilon.people.administration.identity_providers import DEFAULT_SCOPES, ProviderSettings
from aquilon.people.identity import Role
from aquilon.people.tables import IdentityProvider, Organization
from aquilon.storage.sealing import SealError

routes = Routes("/v1/server/identity-providers", tag="server")

TextList = Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=100)]
Text = Annotated[str, Field(min_length=1, max_length=500)]


class NewProviderRequest(OwnFields):
    name: str = Field(min_length=1, max_length=40, description="The name in the provider's URLs: a–z, 0–9 and hyphens.")
    issuer: Text = Field(description="The issuer in the discovery document, such as https://login.example.org.")
    client_id: Text
    client_secret: Text | None = Field(None, description="Stored encrypted and never shown; null for a public client.")
    label: Name | None = Field(None, description="The text on the sign-in page; the name, if left out.")
    organization: Id | None = Field(
        None, description="The organization whose people sign in with it, by id or name; the operator's if left out."
    )
    scopes: TextList = Field(list(DEFAULT_SCOPES))
    email_domains: TextList = Field(
        [], description="The e-mail domains of newcomers who are let in; an empty list lets in all."
    )
    newcomer_role: Role | None = Field(
        None, description="The role of newcomers; null lets in only people with an account or an invitation."
    )
    links_by_email: bool = Field(
        False,
        description="Whether a verified address in email_domains signs in to the account an administrator gave it.",
    )


class ProviderRequest(OwnFields):
    """Fields that are left out stay unchanged."""

    client_id: Text = ""
    client_secret: Text | None = None
    label: Name | None = None
    scopes: TextList = Field([])
    email_domains: TextList = Field([])
    newcomer_role: Role | None = None
    links_by_email: bool = False
    disabled: bool = False


class ProviderBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "server.identity_provider"
    id: str
    name: str
    label: str
    organization_id: str
    organization_name: str
    issuer: str
    client_id: str
    has_secret: bool
    scopes: list[str]
    email_domains: list[str]
    newcomer_role: str | None
    links_by_email: bool
    callback_path: str
    """The redirect URI to register at the provider, without the server's address."""
    disabled: bool
    created_at: int


class ProviderCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoints in the provider's current discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


@routes.get("", "List the identity providers", answer=PageOf[ProviderBody], says="The identity providers, by name.")
async def list_providers(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    providers = await identity_providers.visible(services(request).database, caller)
    return page([provider_body(row, organization) for row, organization in providers], after, limit)


@routes.post(
    "", "Add an identity provider", request=NewProviderRequest, answer=ProviderBody, says="The new identity provider."
)
async def create_provider(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewProviderRequest)
    settings = ProviderSettings(
        issuer=fields.issuer,
        client_id=fields.client_id,
        client_secret=fields.client_secret,
        label=fields.label,
        organization=fields.organization,
        scopes=fields.scopes,
        email_domains=fields.email_domains,
        newcomer_role=fields.newcomer_role,
        links_by_email=fields.links_by_email,
    )
    state = services(request)
    with in_words("label"):
        try:
            provider = await identity_providers.create(
                state.database, caller, state.sealer, name=fields.name, settings=settings
            )
        except SealError as error:
            raise server_error(str(error), code="secrets_unusable") from None
    return json_answer(provider_body(*provider))


@routes.get("/{provider_id}", "Get an identity provider", answer=ProviderBody, says="The identity provider.")
async def get_provider(request: Request, caller: Caller, provider_id: str) -> Response:
    return json_answer(provider_body(*await identity_providers.get(services(request).database, caller, provider_id)))


@routes.post(
    "/{provider_id}",
    "Change an identity provider",
    request=ProviderRequest,
    answer=ProviderBody,
    says="The changed identity provider.",
)
async def change_provider(request: Request, caller: Caller, provider_id: str) -> Response:
    fields = await read_body(request, ProviderRequest)
    changes = {name: getattr(fields, name) for name in ProviderRequest.model_fields if name in fields.model_fields_set}
    state = services(request)
    with in_words("label"):
        try:
            provider = await identity_providers.change(
                state.database, caller, state.sealer, id_or_name=provider_id, changes=changes
            )
        except SealError as error:
            raise server_error(str(error), code="secrets_unusable") from None
    return json_answer(provider_body(*provider))


@routes.post(
    "/{provider_id}/check",
    "Check an identity provider's discovery document and keys",
    answer=ProviderCheck,
    says="The endpoints in the discovery document that the provider sent.",
)
async def check_provider(request: Request, caller: Caller, provider_id: str) -> Response:
    state = services(request)
    try:
        metadata = await identity_providers.check(
            state.database, caller, state.sealer, providers=state.openid, id_or_name=provider_id
        )
    except SealError as error:
        raise server_error(str(error), code="secrets_unusable") from None
    return json_answer(
        ProviderCheck(
            issuer=metadata.issuer,
            authorization_endpoint=metadata.authorization_endpoint,
            token_endpoint=metadata.token_endpoint,
            jwks_uri=metadata.jwks_uri,
        )
    )


@routes.delete(
    "/{provider_id}",
    "Remove an identity provider; its people keep their accounts",
    answer=Deleted,
    says="The id of the removed identity provider.",
)
async def remove_provider(request: Request, caller: Caller, provider_id: str) -> Response:
    removed = await identity_providers.remove(services(request).database, caller, provider_id)
    return json_answer(Deleted(object="server.identity_provider.deleted", id=removed.id))


def provider_body(row: IdentityProvider, organization: Organization) -> ProviderBody:
    return ProviderBody(
        id=row.id,
        name=row.name,
        label=row.label,
        organization_id=organization.id,
        organization_name=organization.name,
        issuer=row.issuer,
        client_id=row.client_id,
        has_secret=row.sealed_secret is not None,
        scopes=row.scopes,
        email_domains=row.email_domains,
        newcomer_role=row.newcomer_role,
        links_by_email=row.links_by_email,
        callback_path=f"/auth/oidc/{row.name}/callback",
        disabled=row.disabled_at is not None,
        created_at=row.created_at,
    )
