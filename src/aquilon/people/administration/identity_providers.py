"""Identity providers: the operator decides which to trust, and for which organization's people."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aquilon.errors import invalid
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal, Role
from aquilon.people.names import checked_name
from aquilon.people.openid import Client, Discovery, OpenIdError, OpenIdProviders, require_private
from aquilon.people.permissions import require_operator
from aquilon.people.secrets import new_id
from aquilon.people.store import accounts, identity_providers
from aquilon.people.store.audit import record
from aquilon.people.tables import IdentityProvider, Organization
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer

DEFAULT_SCOPES = ("openid", "profile", "email")

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """``newcomer_role`` None refuses people without an account or invitation; empty ``email_domains`` allows any."""

    issuer: str
    client_id: str
    client_secret: str | None = None
    label: str | None = None
    organization: str | None = None
    """Id or name; None is the operator's organization."""
    scopes: Sequence[str] = DEFAULT_SCOPES
    email_domains: Sequence[str] = ()
    newcomer_role: Role | None = None
    links_by_email: bool = False


async def create(
    database: Database, principal: Principal, sealer: Sealer, *, name: str, settings: ProviderSettings
) -> tuple[IdentityProvider, Organization]:
    """Raises ApiError 403, 404 or 400, SealError."""
    require_operator(principal)
    if _NAME.fullmatch(name) is None:
        raise invalid(
            f"'{name[:100]}' can't be a provider's name: it must be 1 to 40 of a–z, 0–9 and hyphens",
            param="name",
            code="provider_name_invalid",
            values={"name": name[:100]},
        )
    checked = _checked({"issuer": settings.issuer, "client_id": settings.client_id, "scopes": settings.scopes})
    checked |= _checked({"email_domains": settings.email_domains, "newcomer_role": settings.newcomer_role})
    sealed = None if settings.client_secret is None else sealer.seal(settings.client_secret)
    async with database.writing(alone=True) as session:
        organization = await accounts.organization_by(session, settings.organization or principal.organization_id)
        if organization is None:
            raise no_such("organization", settings.organization or "")
        if await identity_providers.provider_by(session, name) is not None:
            raise invalid(
                f"There is an identity provider '{name}' already",
                param="name",
                code="name_taken",
                values={"name": name},
            )
        row = IdentityProvider(
            id=new_id("provider"),
            organization_id=organization.id,
            name=name,
            label=checked_name(settings.label or name, "provider"),
            sealed_secret=sealed,
            links_by_email=settings.links_by_email,
            created_at=int(time.time()),
            **checked,
        )
        session.add(row)
        await session.flush()
        await record(
            session, principal, "identity_provider.created", object_id=row.id, object_name=name, **_audit_detail(row)
        )
        return row, organization


async def visible(database: Database, principal: Principal) -> list[tuple[IdentityProvider, Organization]]:
    """Raises ApiError 403."""
    require_operator(principal)
    async with database.reading() as session:
        return await identity_providers.list_providers(session)


async def get(database: Database, principal: Principal, id_or_name: str) -> tuple[IdentityProvider, Organization]:
    """Raises ApiError 403 or 404."""
    require_operator(principal)
    async with database.reading() as session:
        provider = await identity_providers.provider_by(session, id_or_name)
    if provider is None:
        raise no_such("identity provider", id_or_name)
    return provider


async def change(
    database: Database, principal: Principal, sealer: Sealer, *, id_or_name: str, changes: dict[str, Any]
) -> tuple[IdentityProvider, Organization]:
    """``changes`` has fields of `ProviderSettings` except ``organization``, and ``disabled``. Raises as `create`."""
    require_operator(principal)
    checked = _checked(changes)
    if changes.get("client_secret") is not None:
        checked["sealed_secret"] = sealer.seal(changes["client_secret"])
    elif "client_secret" in changes:
        checked["sealed_secret"] = None
    async with database.writing(alone=True) as session:
        provider = await identity_providers.provider_by(session, id_or_name)
        if provider is None:
            raise no_such("identity provider", id_or_name)
        row, organization = provider
        if checked.get("issuer", row.issuer) != row.issuer:
            raise invalid(
                f"The issuer can't change from {row.issuer}, since a subject is valid at one issuer only: create "
                "another provider",
                param="issuer",
                code="issuer_fixed",
            )
        if "label" in changes:
            checked["label"] = checked_name(changes["label"] or row.name, "provider")
        if "links_by_email" in changes:
            checked["links_by_email"] = changes["links_by_email"]
        if "disabled" in changes:
            checked["disabled_at"] = (row.disabled_at or int(time.time())) if changes["disabled"] else None
        for name, value in checked.items():
            setattr(row, name, value)
        await session.flush()
        await record(
            session,
            principal,
            "identity_provider.updated",
            object_id=row.id,
            object_name=row.name,
            **_audit_detail(row),
        )
        return row, organization


async def remove(database: Database, principal: Principal, id_or_name: str) -> IdentityProvider:
    """Remove the provider and its identities; the users keep their accounts. Raises ApiError 403 or 404."""
    require_operator(principal)
    async with database.writing() as session:
        provider = await identity_providers.provider_by(session, id_or_name)
        if provider is None:
            raise no_such("identity provider", id_or_name)
        row, _ = provider
        await session.delete(row)
        await session.flush()
        await record(session, principal, "identity_provider.removed", object_id=row.id, object_name=row.name)
        return row


async def check(
    database: Database, principal: Principal, sealer: Sealer, *, providers: OpenIdProviders, id_or_name: str
) -> Discovery:
    """Read the discovery document and open the secret. Raises ApiError 400 with the reason, SealError."""
    row, _ = await get(database, principal, id_or_name)
    try:
        return await providers.discovery(client_of(row, sealer).issuer, fresh=True)
    except OpenIdError as error:
        raise invalid(str(error), code="provider_unusable") from None


def client_of(row: IdentityProvider, sealer: Sealer) -> Client:
    """Raises SealError."""
    secret = None if row.sealed_secret is None else sealer.open(row.sealed_secret)
    return Client(issuer=row.issuer, client_id=row.client_id, client_secret=secret, scopes=tuple(row.scopes))


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """The checked values of those ``fields`` that are columns. Raises ApiError 400."""
    checked: dict[str, Any] = {}
    if "issuer" in fields:
        try:
            require_private(fields["issuer"], "issuer")
        except OpenIdError as error:
            raise invalid(str(error), param="issuer", code="issuer_invalid") from None
        checked["issuer"] = fields["issuer"]
    if "client_id" in fields:
        checked["client_id"] = fields["client_id"]
    if "scopes" in fields:
        scopes = list(dict.fromkeys(["openid", *fields["scopes"]]))
        if any(not scope or not scope.isascii() or not scope.isprintable() or " " in scope for scope in scopes):
            raise invalid(
                "A scope must be one word of printable ASCII, such as email", param="scopes", code="scope_invalid"
            )
        checked["scopes"] = scopes
    if "email_domains" in fields:
        domains = list(dict.fromkeys(domain.strip().lower().removeprefix("@") for domain in fields["email_domains"]))
        wrong = next((domain for domain in domains if _DOMAIN.fullmatch(domain) is None), None)
        if wrong is not None:
            raise invalid(
                f"'{wrong[:100]}' is not a domain, such as example.org",
                param="email_domains",
                code="domain_invalid",
                values={"value": wrong[:100]},
            )
        checked["email_domains"] = domains
    if "newcomer_role" in fields:
        if fields["newcomer_role"] == "owner":
            raise invalid(
                "Newcomers can't become owners by signing in: their role is administrator at most",
                param="newcomer_role",
                code="newcomers_not_owners",
            )
        checked["newcomer_role"] = fields["newcomer_role"]
    return checked


def _audit_detail(row: IdentityProvider) -> dict[str, Any]:
    return {
        "organization_id": row.organization_id,
        "issuer": row.issuer,
        "client_id": row.client_id,
        "email_domains": row.email_domains,
        "newcomer_role": row.newcomer_role,
        "links_by_email": row.links_by_email,
        "disabled": row.disabled_at is not None,
    }
