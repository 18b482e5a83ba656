"""Whom a budget or a limit is for: the organization, one of its workspaces, or a key."""

from __future__ import annotations

from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.budgets import Budget
from aquilon.money.budgets import Scope as Kind
from aquilon.money.limits import Limit
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal, Role
from aquilon.people.permissions import permits
from aquilon.people.scope import Scope
from aquilon.people.store import api_keys, workspaces


async def subject(
    session: AsyncSession, principal: Principal, *, workspace: str | None, key: str | None
) -> tuple[Kind, str]:
    """Kind and id of a key (id or prefix), a workspace (name or id), or else of the organization.

    Raises ApiError 404, LookupError for an unknown key.
    """
    scope = Scope.of_organization(principal)
    if key is not None:
        return "key", (await api_keys.api_key_like(session, scope, key)).id
    if workspace is None:
        return "organization", principal.organization_id
    found = await workspaces.workspace_by(session, scope, workspace)
    if found is None:
        raise no_such("workspace", workspace)
    return "workspace", found.id


async def subject_name(session: AsyncSession, principal: Principal, what: Budget | Limit) -> str:
    """Its id where it is gone."""
    scope = Scope.of_organization(principal)
    if what.scope == "key":
        key = await api_keys.api_key_by_id(session, scope, what.scope_id)
        return what.scope_id if key is None else key.name
    if what.scope == "workspace":
        workspace = await workspaces.workspace_by(session, scope, what.scope_id)
        return what.scope_id if workspace is None else workspace.name
    return principal.organization_name


async def own_subjects(session: AsyncSession, principal: Principal) -> set[str]:
    """Ids of the caller's keys, and of the workspaces whose usage the caller may read."""
    keys = await api_keys.list_api_keys(session, Scope.of_user(principal))
    memberships = await workspaces.memberships(session, Scope.of_user(principal))
    return {key.id for key, _ in keys} | {
        member.workspace_id for member in memberships if permits(principal.role, cast(Role, member.role), "usage.read")
    }
