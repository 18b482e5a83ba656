"""API keys: made, rotated, found by their secret, listed within their owner's scope."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.identity import DEFAULT_KEY_SCOPES, KeyScope, Principal
from aquilon.people.names import checked_name
from aquilon.people.scope import Everyone, Scope
from aquilon.people.secrets import fingerprint, new_api_key, new_id, readable_prefix
from aquilon.people.store import accounts
from aquilon.people.tables import ApiKey, ApiKeySecret, Organization, User, Workspace, WorkspaceMember
from aquilon.storage.changes import WITHOUT_CHANGE


class UnknownApiKey(LookupError):
    """No key, or more than one, of that id or prefix."""


@dataclass(frozen=True)
class NewApiKey:
    secret: str
    """Shown once; only its SHA-256 is stored."""
    record: ApiKey


@dataclass(frozen=True)
class KeyHolder:
    """Whom a secret stands for, and under which conditions."""

    principal: Principal
    allowed_addresses: tuple[str, ...] | None
    last_used_at: int | None
    expires_at: int | None
    """The secret's or the key's, whichever comes first."""


async def create_api_key(
    session: AsyncSession,
    user: User,
    workspace_id: str,
    name: str,
    *,
    scopes: Sequence[KeyScope] = DEFAULT_KEY_SCOPES,
    allowed_models: Sequence[str] | None = None,
    allowed_addresses: Sequence[str] | None = None,
    expires_at: int | None = None,
) -> NewApiKey:
    """Raises ValueError for a name that is empty or too long."""
    secret = new_api_key()
    record = ApiKey(
        id=new_id("key"),
        organization_id=user.organization_id,
        workspace_id=workspace_id,
        user_id=user.id,
        name=checked_name(name, "key"),
        prefix=readable_prefix(secret),
        scopes=list(scopes),
        allowed_models=None if allowed_models is None else list(allowed_models),
        allowed_addresses=None if allowed_addresses is None else list(allowed_addresses),
        created_at=int(time.time()),
        expires_at=expires_at,
    )
    session.add(record)
    await session.flush()
    await _add_secret(session, record, secret)
    return NewApiKey(secret, record)


async def rotate(session: AsyncSession, scope: Scope, key: ApiKey, keep_seconds: int) -> NewApiKey:
    """A new secret; the one before works ``keep_seconds`` longer, any older one no more."""
    now = int(time.time())
    newest = ApiKeySecret.created_at.desc(), ApiKeySecret.expires_at.isnot(None)
    secrets = list(
        await session.scalars(scope.select(ApiKeySecret).where(ApiKeySecret.api_key_id == key.id).order_by(*newest))
    )
    current = next((secret for secret in secrets if secret.expires_at is None), None)
    for former in secrets:
        if former is not current or keep_seconds == 0:
            await session.delete(former)
    if current is not None and keep_seconds:
        current.expires_at = now + keep_seconds
    secret = new_api_key()
    key.prefix = readable_prefix(secret)
    await session.flush()
    await _add_secret(session, key, secret)
    return NewApiKey(secret, key)


def usable(keys: Select[Any], now: int) -> Select[Any]:
    """Those of the keys that open something, each with its user, organization and the user's membership, if any.

    Not one that expired, is blocked, revoked or archived with its workspace, nor one of
    a disabled user or organization.
    """
    return (
        keys.add_columns(User, Organization, WorkspaceMember)
        .join(User, User.id == ApiKey.user_id)
        .join(Organization, Organization.id == ApiKey.organization_id)
        .join(Workspace, Workspace.id == ApiKey.workspace_id)
        .outerjoin(
            WorkspaceMember,
            and_(WorkspaceMember.workspace_id == ApiKey.workspace_id, WorkspaceMember.user_id == ApiKey.user_id),
        )
        .where(
            ApiKey.revoked_at.is_(None),
            ApiKey.blocked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            User.disabled_at.is_(None),
            Organization.disabled_at.is_(None),
            Workspace.archived_at.is_(None),
        )
    )


async def holder_of(session: AsyncSession, secret: str) -> KeyHolder | None:
    """None if the secret is unknown, or its key expired, blocked, revoked, archived or its user disabled."""
    now = int(time.time())
    query = (
        usable(Everyone.select(ApiKey), now)
        .add_columns(ApiKeySecret)
        .join(ApiKeySecret, ApiKeySecret.api_key_id == ApiKey.id)
        .where(
            ApiKeySecret.secret_sha256 == fingerprint(secret),
            or_(ApiKeySecret.expires_at.is_(None), ApiKeySecret.expires_at > now),
        )
    )
    found = (await session.execute(query)).first()
    if found is None:
        return None
    key, user, organization, membership, opened = found
    expiries = [time for time in (key.expires_at, opened.expires_at) if time is not None]
    return KeyHolder(
        accounts.principal(user, organization, key.workspace_id, membership, key),
        None if key.allowed_addresses is None else tuple(key.allowed_addresses),
        key.last_used_at,
        min(expiries, default=None),
    )


async def record_use(session: AsyncSession, holder: KeyHolder, at: int) -> None:
    scope = Scope.of_user(holder.principal)
    used = scope.update(ApiKey).where(ApiKey.id == holder.principal.api_key_id).values(last_used_at=at)
    await session.execute(used.execution_options(**{WITHOUT_CHANGE: True}))


async def list_api_keys(
    session: AsyncSession, scope: Scope, workspace_id: str | None = None
) -> list[tuple[ApiKey, str]]:
    """With their users' names, revoked ones too, oldest first."""
    query = scope.select(ApiKey).add_columns(User.name).join(User, User.id == ApiKey.user_id)
    if workspace_id is not None:
        query = query.where(ApiKey.workspace_id == workspace_id)
    return [(key, name) for key, name in await session.execute(query.order_by(ApiKey.created_at, ApiKey.id))]


async def api_key_by_id(session: AsyncSession, scope: Scope, api_key_id: str) -> ApiKey | None:
    return await session.scalar(scope.select(ApiKey).where(ApiKey.id == api_key_id))


async def api_key_like(session: AsyncSession, scope: Scope, id_or_prefix: str) -> ApiKey:
    """The one key with this id or prefix. Raises UnknownApiKey."""
    query = scope.select(ApiKey).where(or_(ApiKey.id == id_or_prefix, ApiKey.prefix == id_or_prefix))
    found = list(await session.scalars(query))
    if len(found) != 1:
        problem = f"There are {len(found)} API keys" if found else "There is no API key"
        raise UnknownApiKey(f"{problem} '{id_or_prefix}': take the id from `aquilon keys list`")
    return found[0]


async def _add_secret(session: AsyncSession, key: ApiKey, secret: str) -> None:
    session.add(
        ApiKeySecret(
            secret_sha256=fingerprint(secret),
            api_key_id=key.id,
            organization_id=key.organization_id,
            created_at=int(time.time()),
        )
    )
    await session.flush()
