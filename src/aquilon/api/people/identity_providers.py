"""``/v1/server/identity-providers``: whom the server trusts to say who somebody is."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, PageOf, in_words, page
from aquilon.api.people.organization import Id, Name
from aquilon.api.people.organization_bodies import Deleted
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import server_error
from aquilon.people.administration import identity_providers
from aquilon.people.administration.identity_providers import DEFAULT_SCOPES, ProviderSettings
from aquilon.people.identity import Role
from aquilon.people.tables import IdentityProvider, Organization
from aquilon.storage.sealing import SealError

routes = Routes("/v1/server/identity-providers", tag="server")

Words = Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=100)]
Text = Annotated[str, Field(min_length=1, max_length=500)]


class NewProviderRequest(Fields):
    name: str = Field(min_length=1, max_length=40, description="In its addresses: a–z, 0–9 and hyphens.")
    issuer: Text = Field(description="As its discovery document has it, such as https://login.example.org.")
    client_id: Text
    client_secret: Text | None = Field(None, description="Kept encrypted and never shown; null for a public client.")
    label: Name | None = Field(None, description="On the sign-in page; the name, if left out.")
    organization: Id | None = Field(None, description="Whose people sign in by it, by id or name; the operator's own.")
    scopes: Words = Field(list(DEFAULT_SCOPES))
    email_domains: Words = Field([], description="Of newcomers; none is any.")
    newcomer_role: Role | None = Field(None, description="null lets nobody in without an account or invitation.")
    links_by_email: bool = Field(
        False,
        description="Whether a verified address in email_domains finds the account that an administrator gave it to.",
    )


class ProviderRequest(Fields):
    """What is left out stays as it is."""

    client_id: Text = ""
    client_secret: Text | None = None
    label: Name | None = None
    scopes: Words = Field([])
    email_domains: Words = Field([])
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
    """After the server's address: what the provider must be told as the redirect URI."""
    disabled: bool
    created_at: int


class ProviderCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider's discovery document says now."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


@routes.get("", "Identity providers", answer=PageOf[ProviderBody], says="By name")
async def list_providers(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    found = await identity_providers.visible(services(request).database, caller)
    return page([provider_body(*each) for each in found], after, limit)


@routes.post("", "Trust an identity provider", request=NewProviderRequest, answer=ProviderBody, says="The provider")
async def create_provider(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewProviderRequest)
    given = ProviderSettings(
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
    found = services(request)
    with in_words("label"):
        try:
            made = await identity_providers.create(
                found.database, caller, found.sealer, name=fields.name, settings=given
            )
        except SealError as error:
            raise server_error(str(error)) from None
    return json_answer(provider_body(*made))


@routes.get("/{provider_id}", "One identity provider", answer=ProviderBody, says="It")
async def get_provider(request: Request, caller: Caller, provider_id: str) -> Response:
    return json_answer(provider_body(*await identity_providers.get(services(request).database, caller, provider_id)))


@routes.post(
    "/{provider_id}", "Change an identity provider", request=ProviderRequest, answer=ProviderBody, says="As it is now"
)
async def change_provider(request: Request, caller: Caller, provider_id: str) -> Response:
    fields = await read_body(request, ProviderRequest)
    changes = {name: getattr(fields, name) for name in ProviderRequest.model_fields if name in fields.model_fields_set}
    found = services(request)
    with in_words("label"):
        try:
            changed = await identity_providers.change(
                found.database, caller, found.sealer, id_or_name=provider_id, changes=changes
            )
        except SealError as error:
            raise server_error(str(error)) from None
    return json_answer(provider_body(*changed))


@routes.post(
    "/{provider_id}/check",
    "Ask an identity provider for its discovery document and keys",
    answer=ProviderCheck,
    says="It answers, and what it says",
)
async def check_provider(request: Request, caller: Caller, provider_id: str) -> Response:
    found = services(request)
    try:
        said = await identity_providers.check(
            found.database, caller, found.sealer, providers=found.openid, id_or_name=provider_id
        )
    except SealError as error:
        raise server_error(str(error)) from None
    return json_answer(
        ProviderCheck(
            issuer=said.issuer,
            authorization_endpoint=said.authorization_endpoint,
            token_endpoint=said.token_endpoint,
            jwks_uri=said.jwks_uri,
        )
    )


@routes.delete(
    "/{provider_id}", "Trust an identity provider no more; its people keep their accounts", answer=Deleted, says="Done"
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
