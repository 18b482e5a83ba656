"""The principal that work in the background acts for: that of the key or session that asked for it, with its present
rights."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Protocol

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.jobs.tables import Batch
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, api_keys
from aquilon.people.store.access_rules import under_rules
from aquilon.people.tables import ApiKey, Organization, User, Workspace, WorkspaceMember


class Work(Protocol):
    """A row that names who asked for it."""

    @property
    def organization_id(self) -> str: ...
    @property
    def workspace_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def api_key_id(self) -> str | None:
        """None for a session."""


async def creator_of(session: AsyncSession, batch: Batch) -> Principal | None:
    """The job's creator; None as in `principal_of`, and without the scope ``batch``.

    A key with that scope needs no ``inference`` besides.
    """
    principal = await principal_of(session, batch)
    if principal is None or "batch" not in principal.scopes:
        return None
    principal = await under_rules(session, principal)
    return replace(principal, scopes=principal.scopes | {"inference"})


async def principal_of(session: AsyncSession, work: Work) -> Principal | None:
    """Who asked for the work; None if the key is blocked, revoked or expired, its user disabled, or the workspace
    archived."""
    scope = Scope(work.organization_id)
    return await (_of_key(session, scope, work) if work.api_key_id else _of_user(session, scope, work))


async def _of_key(session: AsyncSession, scope: Scope, work: Work) -> Principal | None:
    query = api_keys.usable(scope.select(ApiKey), int(time.time())).where(ApiKey.id == work.api_key_id)
    row = (await session.execute(query)).first()
    if row is None:
        return None
    key, user, organization, membership = row
    return accounts.principal(user, organization, key.workspace_id, membership=membership, key=key)


async def _of_user(session: AsyncSession, scope: Scope, work: Work) -> Principal | None:
    query = (
        scope.select(User)
        .add_columns(Organization, WorkspaceMember)
        .join(Organization, Organization.id == User.organization_id)
        .join(Workspace, and_(Workspace.id == work.workspace_id, Workspace.organization_id == User.organization_id))
        .outerjoin(
            WorkspaceMember, and_(WorkspaceMember.workspace_id == Workspace.id, WorkspaceMember.user_id == User.id)
        )
        .where(
            User.id == work.user_id,
            User.disabled_at.is_(None),
            Organization.disabled_at.is_(None),
            Workspace.archived_at.is_(None),
        )
    )
    row = (await session.execute(query)).first()
    if row is None:
        return None
    user, organization, membership = row
    return accounts.principal(user, organization, work.workspace_id, membership=membership)
