"""The organizations that share the server; the operator creates, renames and disables them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import invalid
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_operator
from aquilon.people.store import accounts, sessions
from aquilon.people.store.audit import record
from aquilon.people.tables import Organization, User
from aquilon.storage import Database

VAT_PERCENT = r"^(100|\d{1,2}(\.\d{1,2})?)$"
"""A rate of VAT as it is written: 20 or 5.5."""


@dataclass(frozen=True)
class NewOrganization:
    organization: Organization
    owner: User
    login_token: str
    """Signs the owner in once."""


async def create(
    database: Database, principal: Principal, name: str, *, owner: str, email: str | None = None
) -> NewOrganization:
    """Create an organization and its owner. Raises ApiError 403, ValueError for an invalid or taken name or address."""
    require_operator(principal)
    async with database.writing(alone=True) as session:
        organization = await accounts.create_organization(session, name)
        user = await accounts.create_user(
            session, organization.id, owner, role="owner", email=email, email_vouched=True
        )
        token = await sessions.create_login_link(session, user)
        await record(
            session,
            principal,
            "organization.created",
            object_id=organization.id,
            object_name=organization.name,
            owner=user.name,
        )
        return NewOrganization(organization, user, token)


async def visible(database: Database, principal: Principal) -> list[Organization]:
    """The oldest first. Raises ApiError 403."""
    require_operator(principal)
    async with database.reading() as session:
        return await accounts.list_organizations(session)


async def get(database: Database, principal: Principal, id_or_name: str) -> Organization:
    """Raises ApiError 403 or 404."""
    require_operator(principal)
    async with database.reading() as session:
        return await _organization(session, id_or_name)


async def change(
    database: Database,
    principal: Principal,
    id_or_name: str,
    *,
    name: str | None = None,
    disabled: bool | None = None,
    vat_percent: Decimal | None = None,
    sets_vat: bool = False,
) -> Organization:
    """Rename, disable or enable an organization; None leaves a field unchanged.

    With ``sets_vat``, its statements have this rate of VAT; None is the rate of the settings.

    In a disabled organization nobody is signed in and no key works; its data stays.
    Raises ApiError: 403, 404, 400 for disabling the one that runs the server; ValueError
    for an invalid or taken name.
    """
    require_operator(principal)
    async with database.writing(alone=True) as session:
        organization = await _organization(session, id_or_name)
        changed: dict[str, Any] = {}
        if disabled and organization.operates:
            raise invalid(
                f"'{organization.name}' runs this server: it can't be disabled",
                code="runs_the_server",
                values={"name": organization.name},
            )
        if name is not None:
            await accounts.rename_organization(session, organization, name)
            changed["name"] = organization.name
        if disabled is not None:
            organization.disabled_at = (organization.disabled_at or int(time.time())) if disabled else None
            changed["disabled"] = disabled
        if sets_vat:
            organization.vat_basis_points = None if vat_percent is None else int(vat_percent * 100)
            changed["vat_percent"] = None if vat_percent is None else str(vat_percent)
        await session.flush()
        await record(
            session,
            principal,
            "organization.updated",
            object_id=organization.id,
            object_name=organization.name,
            **changed,
        )
        return organization


async def _organization(session: AsyncSession, id_or_name: str) -> Organization:
    organization = await accounts.organization_by(session, id_or_name)
    if organization is None:
        raise no_such("organization", id_or_name)
    return organization
