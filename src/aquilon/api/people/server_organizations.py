"""``/v1/server/organizations``: the organizations that share this server."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, PageOf, in_words, page
from aquilon.api.people.organization import Email, Name
from aquilon.api.people.organization_bodies import NewUserBody, OrganizationBody, organization_body
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.people.administration import organizations

routes = Routes("/v1/server/organizations", tag="server")


class NewOrganizationRequest(OwnFields):
    name: Name
    owner: Name = Field("admin", description="The name of the first user, who owns the organization.")
    email: Email | None = Field(None, description="The owner's e-mail address.")


class ServerOrganizationRequest(OwnFields):
    """Fields that are left out stay unchanged."""

    name: Name | None = None
    disabled: bool | None = Field(None, description="true: none of its users can sign in, and none of its keys work.")
    vat_percent: Annotated[str, Field(pattern=organizations.VAT_PERCENT)] | None = Field(
        None,
        description="The rate of VAT on its statements, such as 20 or 5.5; null for the rate of the server's settings.",
    )


class NewOrganizationBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization"
    id: str
    name: str
    created_at: int
    owner: NewUserBody


@routes.get("", "List the organizations", answer=PageOf[OrganizationBody], says="The organizations, oldest first.")
async def list_organizations(request: Request, caller: Caller, after: str | None = None, limit: int = MOST) -> Response:
    rows = await organizations.visible(services(request).database, caller)
    return page([organization_body(row) for row in rows], after, limit)


@routes.post(
    "",
    "Create an organization and its owner",
    request=NewOrganizationRequest,
    answer=NewOrganizationBody,
    says="The new organization with a token that signs its owner in once.",
)
async def create_organization(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewOrganizationRequest)
    with in_words():
        created = await organizations.create(
            services(request).database, caller, fields.name, owner=fields.owner, email=fields.email
        )
    organization, owner = created.organization, created.owner
    return json_answer(
        NewOrganizationBody(
            id=organization.id,
            name=organization.name,
            created_at=organization.created_at,
            owner=NewUserBody(
                id=owner.id, name=owner.name, email=owner.email, role=owner.role, login_token=created.login_token
            ),
        )
    )


@routes.get("/{organization_id}", "Get an organization", answer=OrganizationBody, says="The organization.")
async def get_organization(request: Request, caller: Caller, organization_id: str) -> Response:
    return json_answer(organization_body(await organizations.get(services(request).database, caller, organization_id)))


@routes.post(
    "/{organization_id}",
    "Rename, disable or enable an organization, or set its rate of VAT",
    request=ServerOrganizationRequest,
    answer=OrganizationBody,
    says="The changed organization.",
)
async def change_organization(request: Request, caller: Caller, organization_id: str) -> Response:
    fields = await read_body(request, ServerOrganizationRequest)
    with in_words():
        organization = await organizations.change(
            services(request).database,
            caller,
            organization_id,
            name=fields.name,
            disabled=fields.disabled,
            vat_percent=Decimal(fields.vat_percent) if fields.vat_percent else None,
            sets_vat="vat_percent" in fields.model_fields_set,
        )
    return json_answer(organization_body(organization))
