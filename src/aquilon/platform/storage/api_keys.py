"""API keys: made, found by their secret, and listed or revoked by their owner alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import and_, or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.platform.domain.identity import DEFAULT_KEY_SCOPES, Principal
from aquilon.platform.domain.secrets import fingerprint, new_api_key, new_id, readable_prefix
from aquilon.platform.storage import accounts
from aquilon.platform.storage.schema import ApiKey, ApiKeySecret, Organization, User, Workspace, WorkspaceMember
from aquilon.platform.storage.scope import Everyone, Scope

MAX_NAME_CHARACTERS = 100
_USE_RECORDED_EVERY = 60
"""Seconds: a busy key costs one write a minute, not one a request."""


class UnknownApiKey(LookupError):
    """No key, or more than one, of that id or prefix."""


@dataclass(frozen=True)
class NewApiKey:
    secret: str
    """Shown once; only its SHA-256 is stored."""
    record: ApiKey


async def create_api_key(session: AsyncSession, user: User, name: str) -> NewApiKey:
    """Raises ValueError for a name that is empty or too long."""
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise ValueError(f"A key's name has 1 to {MAX_NAME_CHARACTERS} printable characters")
    secret = new_api_key()
    record = ApiKey(
        id=new_id("key"),
        organization_id=user.organization_id,
        workspace_id=(await accounts.first_workspace(session, user.organization_id)).id,
        user_id=user.id,
        name=name,
        prefix=readable_prefix(secret),
        scopes=list(DEFAULT_KEY_SCOPES),
        created_at=int(time.time()),
    )
    session.add(record)
    await session.flush()
    session.add(
        ApiKeySecret(
            secret_sha256=fingerprint(secret),
            api_key_id=record.id,
            organization_id=record.organization_id,
            created_at=record.created_at,
        )
    )
    await session.flush()
    return NewApiKey(secret, record)


async def principal_of_api_key(session: AsyncSession, secret: str) -> tuple[Principal, bool] | None:
    """Who this key stands for, and whether its use is due to be recorded; None if it is unknown, expired or revoked."""
    now = int(time.time())
    query = (
        Everyone.select(ApiKey)
        .add_columns(User, Organization, WorkspaceMember)
        .join(ApiKeySecret, ApiKeySecret.api_key_id == ApiKey.id)
        .join(User, User.id == ApiKey.user_id)
        .join(Organization, Organization.id == ApiKey.organization_id)
        .join(Workspace, Workspace.id == ApiKey.workspace_id)
        .outerjoin(
            WorkspaceMember,
            and_(WorkspaceMember.workspace_id == ApiKey.workspace_id, WorkspaceMember.user_id == ApiKey.user_id),
        )
        .where(
            ApiKeySecret.secret_sha256 == fingerprint(secret),
            or_(ApiKeySecret.expires_at.is_(None), ApiKeySecret.expires_at > now),
            ApiKey.revoked_at.is_(None),
            ApiKey.blocked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            User.disabled_at.is_(None),
            Workspace.archived_at.is_(None),
        )
    )
    found = (await session.execute(query)).first()
    if found is None:
        return None
    key, user, organization, membership = found
    due = key.last_used_at is None or key.last_used_at <= now - _USE_RECORDED_EVERY
    return accounts.principal(user, organization, key.workspace_id, membership, key), due


async def record_use(session: AsyncSession, api_key_id: str) -> None:
    await session.execute(Everyone.update(ApiKey).where(ApiKey.id == api_key_id).values(last_used_at=int(time.time())))


async def list_api_keys(session: AsyncSession, owner: Principal) -> list[ApiKey]:
    """The owner's own keys, revoked ones too, oldest first."""
    return list(await session.scalars(Scope.of_user(owner).select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)))


async def revoke_api_key(session: AsyncSession, owner: Principal, api_key_id: str) -> bool:
    """True if the owner had such a key; another's key is as unknown as one that never was."""
    record = await session.scalar(Scope.of_user(owner).select(ApiKey).where(ApiKey.id == api_key_id))
    if record is None:
        return False
    record.revoked_at = record.revoked_at or int(time.time())
    await session.flush()
    return True


async def list_all_api_keys(session: AsyncSession) -> list[tuple[ApiKey, str]]:
    """Every key with its user's name, revoked ones too, oldest first: for the operator, never for a request."""
    query = Everyone.select(ApiKey).add_columns(User.name).join(User, User.id == ApiKey.user_id)
    return [(key, name) for key, name in await session.execute(query.order_by(ApiKey.created_at, ApiKey.id))]


async def revoke_any_api_key(session: AsyncSession, id_or_prefix: str) -> ApiKey:
    """Revoke the one key with this id or prefix, whoever's it is: for the operator. Raises UnknownApiKey."""
    query = Everyone.select(ApiKey).where(or_(ApiKey.id == id_or_prefix, ApiKey.prefix == id_or_prefix))
    found = list(await session.scalars(query))
    if len(found) != 1:
        problem = f"There are {len(found)} API keys" if found else "There is no API key"
        raise UnknownApiKey(f"{problem} '{id_or_prefix}': take the id from `aquilon keys list`")
    found[0].revoked_at = found[0].revoked_at or int(time.time())
    await session.flush()
    return found[0]
