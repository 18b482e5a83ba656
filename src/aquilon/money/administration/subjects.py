"""The subject of a budget or limit: the organization, one of its workspaces, or a key."""

from __future__ import annotations

from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import forbidden
from aquilon.money.budgets import Budget, SubjectKind
from aquilon.money.limits import Limit
from aquilon.money.store import budgets, limits
from aquilon.people.administration.access import no_such
from aquilon.people.administration.key_bounds import BEYOND_OWN_LIMITS
from aquilon.people.identity import Principal, Role
from aquilon.people.permissions import permits
from aquilon.people.scope import Scope
from aquilon.people.store import api_keys, workspaces
from aquilon.storage import Database


async def subject(
    session: AsyncSession, principal: Principal, *, workspace: str | None, key: str | None
) -> tuple[SubjectKind, str]:
    """Kind and id of a key (id or prefix), a workspace (name or id) or, without both, the organization.

    Raises ApiError 404, LookupError for an unknown key.
    """
    scope = Scope.of_organization(principal)
    if key is not None:
        return "key", (await api_keys.api_key_like(session, scope, key)).id
    if workspace is None:
        return "organization", principal.organization_id
    row = await workspaces.workspace_by(session, scope, workspace)
    if row is None:
        raise no_such("workspace", workspace)
    return "workspace", row.id


async def subject_name(session: AsyncSession, principal: Principal, rule: Budget | Limit) -> str:
    """The name of the subject, or its id if it no longer exists."""
    scope = Scope.of_organization(principal)
    if rule.subject_kind == "key":
        key = await api_keys.api_key_by_id(session, scope, rule.subject_id)
        return rule.subject_id if key is None else key.name
    if rule.subject_kind == "workspace":
        workspace = await workspaces.workspace_by(session, scope, rule.subject_id)
        return rule.subject_id if workspace is None else workspace.name
    return principal.organization_name


async def own_subjects(session: AsyncSession, principal: Principal) -> set[str]:
    """Ids of the caller's keys, and of the workspaces whose usage the caller may read."""
    keys = await api_keys.list_api_keys(session, Scope.of_user(principal))
    memberships = await workspaces.memberships(session, Scope.of_user(principal))
    return {key.id for key, _ in keys} | {
        member.workspace_id for member in memberships if permits(principal.role, cast(Role, member.role), "usage.read")
    }


async def may_see(session: AsyncSession, principal: Principal, rule: Budget | Limit) -> bool:
    """Whether the caller may list this budget or limit."""
    return permits(principal.role, None, "usage.read") or rule.subject_id in await own_subjects(session, principal)


async def require_unlimited_key(database: Database, principal: Principal) -> None:
    """Refuse a key that has its own budget or limit before it gets another key's secret.

    The other key would spend outside that budget or limit. Raises ApiError 403.
    """
    if principal.api_key_id is None:
        return
    scope = Scope.of_organization(principal)
    async with database.reading() as session:
        rules: list[Budget | Limit] = [*await budgets.budgets(session, scope), *await limits.limits(session, scope)]
    if any(rule.subject_kind == "key" and rule.subject_id == principal.api_key_id for rule in rules):
        raise forbidden(
            "This API key has its own budget or limit, and a new key would spend outside it: it can't create keys",
            code=BEYOND_OWN_LIMITS,
        )
