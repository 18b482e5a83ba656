"""Look-ups of workspaces and users; what the caller may not see is answered as unknown."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, not_found
from aquilon.people.identity import Principal, Role
from aquilon.people.permissions import Action, permits, require
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, workspaces
from aquilon.people.tables import User, Workspace


def no_such(kind: str, id_: str) -> ApiError:
    """ApiError 404, the same for an object that doesn't exist and for one that the caller may not see."""
    return not_found(
        f"There is no {kind} '{id_[:100]}'", code=f"{kind.replace(' ', '_')}_not_found", values={"name": id_[:100]}
    )


async def workspace_role(session: AsyncSession, principal: Principal, workspace_id: str) -> Role | None:
    if workspace_id == principal.workspace_id:
        return principal.workspace_role
    membership = await workspaces.membership(
        session, Scope.of_organization(principal), workspace_id, user_id=principal.user_id
    )
    return None if membership is None else membership.role  # type: ignore[return-value]


async def workspace_for(session: AsyncSession, principal: Principal, id_or_name: str, *, action: Action) -> Workspace:
    """The workspace, if the action is permitted there. Raises ApiError: 404 if the caller can't see it, else 403."""
    scope = Scope.of_organization(principal)
    workspace = await workspaces.workspace_by(session, scope, id_or_name)
    role = None if workspace is None else await workspace_role(session, principal, workspace.id)
    if workspace is None or not permits(principal.role, role, "workspaces.read"):
        raise no_such("workspace", id_or_name)
    require(principal, action, role)
    return workspace


async def user_for(session: AsyncSession, principal: Principal, user_id: str) -> User:
    """A user of the organization. Raises ApiError 404."""
    user = await accounts.user_by_id(session, Scope.of_organization(principal), user_id)
    if user is None:
        raise no_such("user", user_id)
    return user
