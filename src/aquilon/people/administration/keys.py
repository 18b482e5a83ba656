"""API keys: users see and revoke their own; creating keys and managing other users' keys needs a role."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import invalid
from aquilon.people.administration.access import no_such, user_for, workspace_for, workspace_role
from aquilon.people.administration.key_bounds import Bounds, bounds_of, refuse_beyond
from aquilon.people.identity import DEFAULT_KEY_SCOPES, KeyScope, Principal
from aquilon.people.names import checked_name
from aquilon.people.permissions import Action, permits, require
from aquilon.people.scope import Scope
from aquilon.people.store import api_keys
from aquilon.people.store.api_keys import NewApiKey
from aquilon.people.store.audit import record
from aquilon.people.tables import ApiKey
from aquilon.storage import Database

MAX_ROTATION_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class KeyLimits:
    """The restrictions of a key; None is no restriction."""

    scopes: Sequence[KeyScope] = DEFAULT_KEY_SCOPES
    allowed_models: Sequence[str] | None = None
    allowed_addresses: Sequence[str] | None = None
    expires_at: int | None = None


async def create(
    database: Database,
    principal: Principal,
    name: str,
    *,
    workspace: str | None = None,
    user_id: str | None = None,
    limits: KeyLimits = KeyLimits(),
) -> NewApiKey:
    """Create a key in ``workspace`` (id or name; by default the caller's) for a user (by default the caller).

    Raises ApiError: 404 for an unknown workspace or user, 403 without permission, 400 for invalid limits.
    """
    checked = _checked(limits)
    async with database.writing() as session:
        refuse_beyond((await bounds_of(session, principal)).exceeding(Bounds(**checked)))
        target = await workspace_for(session, principal, workspace or principal.workspace_id, action="keys.create")
        if target.archived_at is not None:
            raise invalid(
                f"The workspace '{target.name}' is archived",
                param="workspace_id",
                code="workspace_archived",
                values={"name": target.name},
            )
        if user_id not in (None, principal.user_id):
            require(principal, "keys.manage")  # in the whole organization, since the key can do all that its user can
        owner = await user_for(session, principal, user_id or principal.user_id)
        if owner.id != principal.user_id and owner.role == "owner":
            require(principal, "owners.manage")
        key = await api_keys.create_api_key(session, owner, target.id, name=name, **checked)
        await record(
            session,
            principal,
            "api_key.created",
            object_id=key.record.id,
            object_name=key.record.name,
            **_audit_detail(key.record),
        )
        return key


async def visible(
    database: Database,
    principal: Principal,
    workspace: str | None = None,
    *,
    after: str | None = None,
    limit: int | None = None,
) -> list[tuple[ApiKey, str]]:
    """The caller's keys, or all keys if the caller manages keys, with their users' names: those behind the key with
    the id ``after``."""
    async with database.reading() as session:
        workspace_id = None
        scope, role = Scope.of_organization(principal), None
        if workspace is not None:
            workspace_id = (await workspace_for(session, principal, workspace, action="workspaces.read")).id
            role = await workspace_role(session, principal, workspace_id)
        require(principal, "workspaces.read", principal.workspace_role or "member")
        if not permits(principal.role, role, "keys.manage"):
            scope = Scope.of_user(principal)
        return await api_keys.list_api_keys(session, scope, workspace_id, after=after, limit=limit)


async def get(database: Database, principal: Principal, key_id: str) -> ApiKey:
    async with database.reading() as session:
        return await _key_for(session, principal, key_id)


async def change(database: Database, principal: Principal, key_id: str, *, changes: dict[str, Any]) -> ApiKey:
    """``changes`` may have name, scopes, allowed_models, allowed_addresses, expires_at, blocked. Raises ApiError."""
    async with database.writing() as session:
        key = await _key_for(session, principal, key_id)
        if set(changes) == {"blocked"}:
            await _may_block(session, principal, key)
        else:
            await _may_change(session, principal, key)
        limits = KeyLimits(
            scopes=changes.get("scopes", key.scopes),
            allowed_models=changes.get("allowed_models", key.allowed_models),
            allowed_addresses=changes.get("allowed_addresses", key.allowed_addresses),
            expires_at=changes.get("expires_at"),
        )
        checked = _checked(limits)
        if "expires_at" not in changes:
            checked["expires_at"] = key.expires_at
        bounds, requested = await bounds_of(session, principal), Bounds(**checked)
        beyond, widened = bounds.exceeding(requested), Bounds.of_key(key).exceeding(requested)
        unblocks = changes.get("blocked") is False and key.blocked_at is not None
        refuse_beyond({name: allowed for name, allowed in beyond.items() if unblocks or name in widened})
        for name, value in checked.items():
            setattr(key, name, value)
        if "name" in changes:
            key.name = checked_name(changes["name"], "key")
        if "blocked" in changes:
            key.blocked_at = (key.blocked_at or int(time.time())) if changes["blocked"] else None
        await session.flush()
        await record(session, principal, "api_key.updated", object_id=key.id, object_name=key.name, **changes)
        return key


async def rotate(database: Database, principal: Principal, key_id: str, *, keep_seconds: int) -> NewApiKey:
    """Give a key a new secret; the present one works ``keep_seconds`` longer. Raises ApiError."""
    if not 0 <= keep_seconds <= MAX_ROTATION_SECONDS:
        raise invalid(
            f"A former secret may be kept for 0 to {MAX_ROTATION_SECONDS} seconds",
            param="keep_seconds",
            code="out_of_range",
            values={"value": keep_seconds, "least": 0, "most": MAX_ROTATION_SECONDS},
        )
    async with database.writing() as session:
        key = await _key_for(session, principal, key_id)
        await _may_change(session, principal, key)
        if key.revoked_at is not None:
            raise invalid("This API key is revoked: create another", code="key_revoked")
        refuse_beyond((await bounds_of(session, principal)).exceeding(Bounds.of_key(key)))
        rotated = await api_keys.rotate(session, Scope.of_organization(principal), key, keep_seconds=keep_seconds)
        await record(
            session, principal, "api_key.rotated", object_id=key.id, object_name=key.name, keep_seconds=keep_seconds
        )
        return rotated


async def revoke(database: Database, principal: Principal, key_id: str) -> ApiKey:
    """Revoke a key for ever; users may always revoke their own. Raises ApiError."""
    async with database.writing() as session:
        key = await _key_for(session, principal, key_id)
        if key.revoked_at is None:
            key.revoked_at = int(time.time())
            await session.flush()
            await record(session, principal, "api_key.revoked", object_id=key.id, object_name=key.name)
        return key


async def _key_for(session: AsyncSession, principal: Principal, key_id: str) -> ApiKey:
    """A key that the caller may see. Raises ApiError 404, or 403 if the caller's own key lacks the scope."""
    key = await api_keys.api_key_by_id(session, Scope.of_organization(principal), key_id)
    if key is not None and key.user_id != principal.user_id:
        role = await workspace_role(session, principal, key.workspace_id)
        if not permits(principal.role, role, "keys.manage"):
            key = None
    if key is None:
        raise no_such("api key", key_id)
    if "administration" not in principal.scopes and key.id != principal.api_key_id:
        require(principal, "keys.manage")
    return key


async def _may_change(session: AsyncSession, principal: Principal, key: ApiKey) -> None:
    """Check that the caller may change a key. Another user's key needs a role in the whole organization.

    A key's secret can do all that its user can. A workspace's administrator may block and
    revoke the keys there, but must not get a secret by rotating one.
    """
    if key.user_id == principal.user_id:
        require(principal, "keys.create", await workspace_role(session, principal, key.workspace_id))
        return
    require(principal, "keys.manage")
    if (await user_for(session, principal, key.user_id)).role == "owner":
        require(principal, "owners.manage")


async def _may_block(session: AsyncSession, principal: Principal, key: ApiKey) -> None:
    action: Action = "keys.create" if key.user_id == principal.user_id else "keys.manage"
    require(principal, action, await workspace_role(session, principal, key.workspace_id))


def _checked(limits: KeyLimits) -> dict[str, Any]:
    """The checked limits, by the names of `Bounds`' fields. Raises ApiError for an invalid address or a past time."""
    return {
        "scopes": list(dict.fromkeys(limits.scopes)),
        "allowed_models": None if limits.allowed_models is None else list(dict.fromkeys(limits.allowed_models)),
        "allowed_addresses": _networks(limits.allowed_addresses),
        "expires_at": _future(limits.expires_at),
    }


def _networks(addresses: Sequence[str] | None) -> list[str] | None:
    return None if addresses is None else [_network(text) for text in addresses]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        raise invalid(
            f"{error}: write 192.0.2.7 or 192.0.2.0/24",
            param="allowed_addresses",
            code="address_invalid",
            values={"address": text[:100]},
        ) from None


def _future(expires_at: int | None) -> int | None:
    if expires_at is not None and expires_at <= time.time():
        raise invalid(
            f"expires_at is {expires_at}, which is past: give a later time, in seconds since 1970",
            param="expires_at",
            code="expiry_in_past",
        )
    return expires_at


def _audit_detail(key: ApiKey) -> dict[str, Any]:
    return {
        "workspace_id": key.workspace_id,
        "user_id": key.user_id,
        "scopes": key.scopes,
        "allowed_models": key.allowed_models,
        "allowed_addresses": key.allowed_addresses,
        "expires_at": key.expires_at,
    }
