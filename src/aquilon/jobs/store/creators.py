"""Whom a batch job acts for, as things are now: the key that it was made with, or the person who was signed in."""

from __future__ import annotations

import time
from dataclasses import replace

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.jobs.tables import Batch
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, api_keys
from aquilon.people.tables import ApiKey, Organization, User, Workspace, WorkspaceMember


async def creator_of(session: AsyncSession, batch: Batch) -> Principal | None:
    """None where the key is blocked, revoked or expired, its user disabled, or the workspace archived.

    A key that is for batch jobs need not be for live requests besides.
    """
    scope = Scope(batch.organization_id)
    principal = await (_of_key(session, scope, batch) if batch.api_key_id else _of_user(session, scope, batch))
    if principal is None or "batch" not in principal.scopes:
        return None
    return replace(principal, scopes=principal.scopes | {"inference"})


async def _of_key(session: AsyncSession, scope: Scope, batch: Batch) -> Principal | None:
    query = api_keys.usable(scope.select(ApiKey), int(time.time())).where(ApiKey.id == batch.api_key_id)
    found = (await session.execute(query)).first()
    if found is None:
        return None
    key, user, organization, membership = found
    return accounts.principal(user, organization, key.workspace_id, membership=membership, key=key)


async def _of_user(session: AsyncSession, scope: Scope, batch: Batch) -> Principal | None:
    query = (
        scope.select(User)
        .add_columns(Organization, WorkspaceMember)
        .join(Organization, Organization.id == User.organization_id)
        .join(Workspace, and_(Workspace.id == batch.workspace_id, Workspace.organization_id == User.organization_id))
        .outerjoin(
            WorkspaceMember, and_(WorkspaceMember.workspace_id == Workspace.id, WorkspaceMember.user_id == User.id)
        )
        .where(
            User.id == batch.user_id,
            User.disabled_at.is_(None),
            Organization.disabled_at.is_(None),
            Workspace.archived_at.is_(None),
        )
    )
    found = (await session.execute(query)).first()
    if found is None:
        return None
    user, organization, membership = found
    return accounts.principal(user, organization, batch.workspace_id, membership=membership)
