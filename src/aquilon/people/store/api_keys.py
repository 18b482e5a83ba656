"""API keys: create, rotate, look up by secret, and list in a scope."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.identity import DEFAULT_KEY_SCOPES, KeyScope, Principal
from aquilon.people.names import checked_name
from aquilon.people.scope import Everyone, Scope
from aquilon.people.secrets import fingerprint, new_api_key, new_id, readable_prefix
from aquilon.people.store import accounts
from aquilon.people.store.access_rules import under_rules
from aquilon.people.tables import ApiKey, ApiKeySecret, Organization, User, Workspace, WorkspaceMember
from aquilon.storage.changes import WITHOUT_CHANGE


class UnknownApiKey(LookupError):
    """There is no key, or more than one, with that id or prefix."""


@dataclass(frozen=True)
class NewApiKey:
    secret: str
    """Shown once; only its SHA-256 is stored."""
    record: ApiKey


@dataclass(frozen=True, kw_only=True)
class KeyHolder:
    """The principal that a key's secret authenticates, with the key's conditions."""

    principal: Principal
    allowed_addresses: tuple[str, ...] | None
    last_used_at: int | None
    expires_at: int | None
    """When the secret or the key expires, whichever comes first."""


async def create_api_key(
    session: AsyncSession,
    user: User,
    workspace_id: str,
    *,
    name: str,
    scopes: Sequence[KeyScope] = DEFAULT_KEY_SCOPES,
    allowed_models: Sequence[str] | None = None,
    allowed_addresses: Sequence[str] | None = None,
    expires_at: int | None = None,
) -> NewApiKey:
    """Raises ValueError for an invalid name."""
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


async def rotate(session: AsyncSession, scope: Scope, key: ApiKey, *, keep_seconds: int) -> NewApiKey:
    """Give the key a new secret. The former one works ``keep_seconds`` longer; older ones stop working."""
    now = int(time.time())
    newest_first = ApiKeySecret.created_at.desc(), ApiKeySecret.expires_at.isnot(None)
    secrets = list(
        await session.scalars(
            scope.select(ApiKeySecret).where(ApiKeySecret.api_key_id == key.id).order_by(*newest_first)
        )
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
    """The usable keys among ``keys``, each with its user, its organization and the user's membership, if any.

    A key is not usable if it expired, is blocked or revoked, if its workspace is archived,
    or its user or organization disabled.
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
    """The secret's holder, None if the secret is unknown or expired or its key is not `usable`."""
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
    row = (await session.execute(query)).first()
    if row is None:
        return None
    key, user, organization, membership, key_secret = row
    expires_at = min((at for at in (key.expires_at, key_secret.expires_at) if at is not None), default=None)
    return KeyHolder(
        principal=replace(
            await under_rules(
                session, accounts.principal(user, organization, key.workspace_id, membership=membership, key=key)
            ),
            expires_at=expires_at,
        ),
        allowed_addresses=None if key.allowed_addresses is None else tuple(key.allowed_addresses),
        last_used_at=key.last_used_at,
        expires_at=expires_at,
    )


async def record_use(session: AsyncSession, holder: KeyHolder, at: int) -> None:
    scope = Scope.of_user(holder.principal)
    statement = scope.update(ApiKey).where(ApiKey.id == holder.principal.api_key_id).values(last_used_at=at)
    await session.execute(statement.execution_options(**{WITHOUT_CHANGE: True}))


async def list_api_keys(
    session: AsyncSession,
    scope: Scope,
    workspace_id: str | None = None,
    *,
    after: str | None = None,
    limit: int | None = None,
) -> list[tuple[ApiKey, str]]:
    """The keys, revoked ones too, with their users' names, the oldest first: those behind the key with the id
    ``after``, or the first ones if that key is gone."""
    query = scope.select(ApiKey).add_columns(User.name).join(User, User.id == ApiKey.user_id)
    if workspace_id is not None:
        query = query.where(ApiKey.workspace_id == workspace_id)
    if after is not None and (last := await api_key_by_id(session, scope, after)) is not None:
        query = query.where(tuple_(ApiKey.created_at, ApiKey.id) > tuple_(last.created_at, last.id))
    query = query.order_by(ApiKey.created_at, ApiKey.id).limit(limit)
    return [(key, name) for key, name in await session.execute(query)]


async def api_key_by_id(session: AsyncSession, scope: Scope, api_key_id: str) -> ApiKey | None:
    return await session.scalar(scope.select(ApiKey).where(ApiKey.id == api_key_id))


async def api_key_like(session: AsyncSession, scope: Scope, id_or_prefix: str) -> ApiKey:
    """The one key with this id or prefix. Raises UnknownApiKey."""
    query = scope.select(ApiKey).where(or_(ApiKey.id == id_or_prefix, ApiKey.prefix == id_or_prefix))
    keys = list(await session.scalars(query))
    if len(keys) != 1:
        problem = f"There are {len(keys)} API keys" if keys else "There is no API key"
        raise UnknownApiKey(f"{problem} '{id_or_prefix}': take the id from `aquilon keys list`")
    return keys[0]


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
