"""The organization itself, its workspaces and their members."""

from __future__ import annotations

from aquilon.errors import invalid
from aquilon.people.administration.access import no_such, user_for, workspace_for
from aquilon.people.identity import Principal, Role
from aquilon.people.permissions import permits, require
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, workspaces
from aquilon.people.store.audit import entries, record
from aquilon.people.tables import AuditEntry, Organization, User, Workspace, WorkspaceMember
from aquilon.storage import Database


async def organization(database: Database, principal: Principal) -> Organization:
    async with database.reading() as session:
        row = await accounts.organization_by(session, principal.organization_id)
    assert row is not None
    return row


async def change_organization(
    database: Database,
    principal: Principal,
    *,
    name: str | None = None,
    password_sign_in: bool | None = None,
    vat_number: str | None = None,
) -> Organization:
    """None leaves a field unchanged; an empty ``vat_number`` removes it.

    Raises ApiError 403, or ValueError for an invalid or taken name.
    """
    require(principal, "organization.update")
    async with database.writing() as session:
        row = await accounts.organization_by(session, principal.organization_id)
        assert row is not None
        if name is not None:
            await accounts.rename_organization(session, row, name)
        if password_sign_in is not None:
            row.password_sign_in = password_sign_in
        if vat_number is not None:
            row.vat_number = vat_number.strip() or None
        await session.flush()
        values = {"name": name, "password_sign_in": password_sign_in, "vat_number": vat_number}
        changed = {key: value for key, value in values.items() if value is not None}
        await record(session, principal, "organization.updated", object_id=row.id, object_name=row.name, **changed)
        return row


async def create(database: Database, principal: Principal, name: str) -> Workspace:
    """Raises ApiError 403, or ValueError for an invalid or taken name."""
    require(principal, "workspaces.manage")
    async with database.writing() as session:
        workspace = await workspaces.create_workspace(session, Scope.of_organization(principal), name)
        await record(session, principal, "workspace.created", object_id=workspace.id, object_name=workspace.name)
        return workspace


async def visible(database: Database, principal: Principal) -> list[Workspace]:
    """All workspaces if the caller may see all, else those that the caller is a member of. Raises ApiError 403."""
    require(principal, "workspaces.read", "member")
    sees_all = permits(principal.role, None, "workspaces.read")
    async with database.reading() as session:
        scope = Scope.of_organization(principal)
        return await workspaces.list_workspaces(session, scope, member=None if sees_all else principal.user_id)


async def get(database: Database, principal: Principal, workspace_id: str) -> Workspace:
    async with database.reading() as session:
        return await workspace_for(session, principal, workspace_id, action="workspaces.read")


async def rename(database: Database, principal: Principal, workspace_id: str, *, name: str) -> Workspace:
    async with database.writing() as session:
        workspace = await workspace_for(session, principal, workspace_id, action="workspaces.manage")
        await workspaces.rename_workspace(session, Scope.of_organization(principal), workspace, name=name)
        await record(session, principal, "workspace.updated", object_id=workspace.id, object_name=workspace.name)
        return workspace


async def archive(database: Database, principal: Principal, workspace_id: str) -> Workspace:
    """Archive a workspace: its keys stop working at once, its usage stays. Raises ValueError for the first one."""
    async with database.writing() as session:
        workspace = await workspace_for(session, principal, workspace_id, action="workspaces.manage")
        await workspaces.archive_workspace(session, Scope.of_organization(principal), workspace)
        await record(session, principal, "workspace.archived", object_id=workspace.id, object_name=workspace.name)
        return workspace


async def members(database: Database, principal: Principal, workspace_id: str) -> list[tuple[WorkspaceMember, User]]:
    async with database.reading() as session:
        workspace = await workspace_for(session, principal, workspace_id, action="members.read")
        return await workspaces.members(session, Scope.of_organization(principal), workspace.id)


async def set_member(
    database: Database, principal: Principal, workspace_id: str, *, user_id: str, role: Role
) -> tuple[WorkspaceMember, User]:
    """Make a user a member of a workspace, or give a member another role there."""
    if role == "owner":
        raise invalid("A workspace has no owners: its highest role is administrator", code="workspace_has_no_owners")
    async with database.writing() as session:
        workspace = await workspace_for(session, principal, workspace_id, action="members.manage")
        scope = Scope.of_organization(principal)
        user = await user_for(session, principal, user_id)
        await workspaces.set_member(session, scope, workspace, user=user, role=role)
        await record(
            session,
            principal,
            "workspace.member_set",
            object_id=workspace.id,
            object_name=workspace.name,
            user_id=user.id,
            role=role,
        )
        member = await workspaces.membership(session, scope, workspace.id, user_id=user.id)
        assert member is not None
        return member, user


async def remove_member(database: Database, principal: Principal, workspace_id: str, *, user_id: str) -> None:
    async with database.writing() as session:
        workspace = await workspace_for(session, principal, workspace_id, action="members.manage")
        member = await workspaces.membership(session, Scope.of_organization(principal), workspace.id, user_id=user_id)
        if member is None:
            raise no_such("member", user_id)
        await session.delete(member)
        await session.flush()
        await record(
            session,
            principal,
            "workspace.member_removed",
            object_id=workspace.id,
            object_name=workspace.name,
            user_id=user_id,
        )


async def audit_log(
    database: Database, principal: Principal, *, before: int | None = None, limit: int = 100
) -> list[AuditEntry]:
    """The newest first."""
    require(principal, "audit.read")
    async with database.reading() as session:
        return await entries(session, Scope.of_organization(principal), before=before, limit=limit)
