"""API keys: everybody sees and ends their own; making them and managing others' asks for a role."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import forbidden, invalid
from aquilon.people.administration.access import no_such, user_for, workspace_for, workspace_role
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


@dataclass(frozen=True)
class KeyLimits:
    """What a key is restricted to; None is no restriction."""

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
    """A key in a workspace (id or name; the caller's own) for a user (the caller).

    Raises ApiError: 404 for an unknown workspace or user, 403 without the right, 400 for limits that can't be.
    """
    checked = _checked(principal, limits)
    async with database.writing() as session:
        place = await workspace_for(session, principal, workspace or principal.workspace_id, "keys.create")
        if place.archived_at is not None:
            raise invalid(f"The workspace '{place.name}' is archived", param="workspace_id")
        owner = await user_for(session, principal, user_id or principal.user_id)
        if owner.id != principal.user_id:
            require(principal, "keys.manage")  # in the whole organization: the key can do all that its user can
            if owner.role == "owner":
                require(principal, "owners.manage")
        made = await api_keys.create_api_key(session, owner, place.id, name, **checked)
        await record(session, principal, "api_key.created", made.record.id, made.record.name, **_told(made.record))
        return made


async def visible(database: Database, principal: Principal, workspace: str | None = None) -> list[tuple[ApiKey, str]]:
    """The keys that the caller may see, with their users' names: their own, or all where they manage keys."""
    async with database.reading() as session:
        place = None
        scope, role = Scope.of_organization(principal), None
        if workspace is not None:
            place = (await workspace_for(session, principal, workspace, "workspaces.read")).id
            role = await workspace_role(session, principal, place)
        require(principal, "workspaces.read", principal.workspace_role or "member")
        if not permits(principal.role, role, "keys.manage"):
            scope = Scope.of_user(principal)
        return await api_keys.list_api_keys(session, scope, place)


async def get(database: Database, principal: Principal, key_id: str) -> ApiKey:
    async with database.reading() as session:
        return await _key_for(session, principal, key_id)


async def change(database: Database, principal: Principal, key_id: str, changes: dict[str, Any]) -> ApiKey:
    """``changes``: name, scopes, allowed_models, allowed_addresses, expires_at, blocked. Raises ApiError."""
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
        checked = _checked(principal, limits, held=frozenset(key.scopes))
        if "expires_at" not in changes:
            del checked["expires_at"]
        for name, value in checked.items():
            setattr(key, name, value)
        if "name" in changes:
            key.name = checked_name(changes["name"], "key")
        if "blocked" in changes:
            key.blocked_at = (key.blocked_at or int(time.time())) if changes["blocked"] else None
        await session.flush()
        await record(session, principal, "api_key.updated", key.id, key.name, **changes)
        return key


async def rotate(database: Database, principal: Principal, key_id: str, keep_seconds: int) -> NewApiKey:
    """A new secret for a key; the present one works ``keep_seconds`` longer."""
    if not 0 <= keep_seconds <= MAX_ROTATION_SECONDS:
        raise invalid(f"A former secret may be kept for 0 to {MAX_ROTATION_SECONDS} seconds", param="keep_seconds")
    async with database.writing() as session:
        key = await _key_for(session, principal, key_id)
        await _may_change(session, principal, key)
        if key.revoked_at is not None:
            raise invalid("This API key is revoked: make another")
        made = await api_keys.rotate(session, Scope.of_organization(principal), key, keep_seconds)
        await record(session, principal, "api_key.rotated", key.id, key.name, keep_seconds=keep_seconds)
        return made


async def revoke(database: Database, principal: Principal, key_id: str) -> ApiKey:
    """For ever; everybody may revoke their own."""
    async with database.writing() as session:
        key = await _key_for(session, principal, key_id)
        if key.revoked_at is None:
            key.revoked_at = int(time.time())
            await session.flush()
            await record(session, principal, "api_key.revoked", key.id, key.name)
        return key


async def _key_for(session: AsyncSession, principal: Principal, key_id: str) -> ApiKey:
    """A key that the caller may see. Raises ApiError 404, or 403 for a key of theirs without the scope."""
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
    """One's own, where one may make keys; another's only with a role in the whole organization.

    The secret of a key can do all that its user can: a workspace's administrator,
    who may block and revoke the keys there, must not come to hold it.
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


def _checked(principal: Principal, limits: KeyLimits, *, held: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Raises ApiError for scopes beyond the caller's own, addresses that are none, a time that is past."""
    beyond = set(limits.scopes) - principal.scopes - held
    if beyond:
        raise forbidden(f"An API key can't give what it hasn't got: {', '.join(sorted(beyond))}", code="scope_missing")
    return {
        "scopes": list(dict.fromkeys(limits.scopes)),
        "allowed_models": None if limits.allowed_models is None else list(dict.fromkeys(limits.allowed_models)),
        "allowed_addresses": _networks(limits.allowed_addresses),
        "expires_at": _future(limits.expires_at),
    }


def _networks(addresses: Sequence[str] | None) -> list[str] | None:
    try:
        return None if addresses is None else [str(ipaddress.ip_network(text, strict=False)) for text in addresses]
    except ValueError as error:
        raise invalid(f"{error}: write 192.0.2.7 or 192.0.2.0/24", param="allowed_addresses") from None


def _future(expires_at: int | None) -> int | None:
    if expires_at is not None and expires_at <= time.time():
        raise invalid("expires_at is past: it is in seconds since 1970", param="expires_at")
    return expires_at


def _told(key: ApiKey) -> dict[str, Any]:
    return {
        "workspace_id": key.workspace_id,
        "user_id": key.user_id,
        "scopes": key.scopes,
        "allowed_models": key.allowed_models,
        "allowed_addresses": key.allowed_addresses,
        "expires_at": key.expires_at,
    }
