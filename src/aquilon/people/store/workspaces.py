"""An organization's workspaces and their members."""

from __future__ import annotations

import time

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import Refusal
from aquilon.people.identity import Role
from aquilon.people.names import free_name
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.people.tables import User, Workspace, WorkspaceMember


async def create_workspace(session: AsyncSession, scope: Scope, name: str) -> Workspace:
    """Raises ValueError for an invalid or taken name."""
    workspace = Workspace(
        id=new_id("workspace"),
        organization_id=scope.organization_id,
        name=await _free_name(session, scope, name),
        created_at=int(time.time()),
    )
    session.add(workspace)
    await session.flush()
    return workspace


async def rename_workspace(session: AsyncSession, scope: Scope, workspace: Workspace, *, name: str) -> None:
    """Raises ValueError for an invalid or taken name."""
    if name.strip() != workspace.name:
        workspace.name = await _free_name(session, scope, name, workspace=workspace)
        await session.flush()


async def archive_workspace(session: AsyncSession, scope: Scope, workspace: Workspace) -> None:
    """Archive a workspace: its keys stop working, its usage stays. Raises ValueError for the first one."""
    if workspace.id == (await first_workspace(session, scope)).id:
        raise Refusal(
            f"'{workspace.name}' is the organization's first workspace, which can't be archived",
            code="first_workspace",
            values={"name": workspace.name},
        )
    workspace.archived_at = workspace.archived_at or int(time.time())
    await session.flush()


async def first_workspace(session: AsyncSession, scope: Scope) -> Workspace:
    """The organization's oldest: every organization has one, and it can't be archived."""
    query = scope.select(Workspace).order_by(Workspace.created_at, Workspace.id)
    workspace = await session.scalar(query.limit(1))
    assert workspace is not None
    return workspace


async def list_workspaces(session: AsyncSession, scope: Scope, *, member: str | None = None) -> list[Workspace]:
    """The oldest first; with ``member``, a user's id, only those that this user is a member of."""
    query = scope.select(Workspace).order_by(Workspace.created_at, Workspace.id)
    if member is not None:
        query = query.join(WorkspaceMember, WorkspaceMember.workspace_id == Workspace.id).where(
            WorkspaceMember.user_id == member
        )
    return list(await session.scalars(query))


async def workspace_by(session: AsyncSession, scope: Scope, id_or_name: str) -> Workspace | None:
    query = scope.select(Workspace).where((Workspace.id == id_or_name) | (Workspace.name == id_or_name))
    return await session.scalar(query.limit(1))


async def membership(session: AsyncSession, scope: Scope, workspace_id: str, *, user_id: str) -> WorkspaceMember | None:
    query = scope.select(WorkspaceMember).where(
        WorkspaceMember.workspace_id == workspace_id, WorkspaceMember.user_id == user_id
    )
    return await session.scalar(query)


async def memberships(session: AsyncSession, scope: Scope) -> list[WorkspaceMember]:
    """All memberships in the scope."""
    return list(await session.scalars(scope.select(WorkspaceMember)))


async def members(session: AsyncSession, scope: Scope, workspace_id: str) -> list[tuple[WorkspaceMember, User]]:
    query = (
        scope.select(WorkspaceMember)
        .add_columns(User)
        .join(User, User.id == WorkspaceMember.user_id)
        .where(WorkspaceMember.workspace_id == workspace_id)
        .order_by(User.name)
    )
    return [(member, user) for member, user in await session.execute(query)]


async def set_member(session: AsyncSession, scope: Scope, workspace: Workspace, *, user: User, role: Role) -> None:
    """Make the user a member, or give a member another role."""
    member = await membership(session, scope, workspace.id, user_id=user.id)
    if member is None:
        member = WorkspaceMember(
            workspace_id=workspace.id,
            user_id=user.id,
            organization_id=scope.organization_id,
            role=role,
            created_at=int(time.time()),
        )
        session.add(member)
    member.role = role
    await session.flush()


async def _free_name(session: AsyncSession, scope: Scope, name: str, *, workspace: Workspace | None = None) -> str:
    others = scope.select(Workspace).with_only_columns(Workspace.name)
    if workspace is not None:
        others = others.where(Workspace.id != workspace.id)
    return free_name(name, "workspace", await session.scalars(others))
