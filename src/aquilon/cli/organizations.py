"""``aquilon orgs``, ``workspaces`` and ``members``: who shares this server, and who works where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import NameArgument, Organization, as_operator, minute, print_link, with_database
from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.platform.domain.identity import Principal, Role
    from aquilon.platform.storage import Database
    from aquilon.platform.storage.schema import User, Workspace, WorkspaceMember

organizations = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Organizations that share this server.")
workspaces = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="An organization's workspaces.")
members = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who is in a workspace, in which role.")

WorkspaceOption = Annotated[
    str | None, typer.Option("--workspace", help="The workspace, by name or id.", show_default="the first one")
]


@organizations.command("list")
def list_organizations(home: Home = None, as_json: AsJson = False) -> None:
    """List the organizations."""
    import msgspec

    from aquilon.cli.output import add_row, out, print_json, table
    from aquilon.platform import accounts
    from aquilon.platform.api.organization_bodies import organization_body

    found = with_database(home, accounts.list_organizations)
    if as_json:
        print_json([msgspec.to_builtins(organization_body(each)) for each in found])
        return
    rows = table("name", "id", "made")
    for each in found:
        add_row(rows, each.name, each.id, minute(each.created_at))
    out().print(rows)


@organizations.command("create")
def create_organization(
    name: NameArgument,
    owner: Annotated[str, typer.Option("--owner", help="The name of its first user.")] = "admin",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make an organization and print a link that signs its owner in once."""
    from aquilon.platform import accounts

    made = with_database(home, lambda database: accounts.create_organization(database, name, owner))
    print_link(home, made.owner, made.login_token, as_json)


@workspaces.command("list")
def list_workspaces(organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """List an organization's workspaces."""
    import msgspec

    from aquilon.cli.output import add_row, out, print_json, table
    from aquilon.platform.administration import workspaces as administration
    from aquilon.platform.api.organization_bodies import workspace_body

    found = as_operator(home, organization, administration.visible)
    if as_json:
        print_json([msgspec.to_builtins(workspace_body(each)) for each in found])
        return
    rows = table("name", "id", "made", "state")
    for each in found:
        add_row(rows, each.name, each.id, minute(each.created_at), "archived" if each.archived_at else "")
    out().print(rows)


@workspaces.command("create")
def create_workspace(
    name: NameArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Make a workspace."""
    from aquilon.platform.administration import workspaces as administration

    async def create(database: Database, operator: Principal) -> Workspace:
        return await administration.create(database, operator, name)

    _tell("Made", as_operator(home, organization, create), as_json)


@workspaces.command("rename")
def rename_workspace(
    name: NameArgument,
    to: Annotated[str, typer.Argument(metavar="NEW", show_default=False)],
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give a workspace another name."""
    from aquilon.platform.administration import workspaces as administration

    async def rename(database: Database, operator: Principal) -> Workspace:
        return await administration.rename(database, operator, name, to)

    _tell("Renamed to", as_operator(home, organization, rename), as_json)


@workspaces.command("archive")
def archive_workspace(
    name: NameArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Archive a workspace: its keys stop working, its usage stays."""
    from aquilon.platform.administration import workspaces as administration

    async def archive(database: Database, operator: Principal) -> Workspace:
        return await administration.archive(database, operator, name)

    _tell("Archived", as_operator(home, organization, archive), as_json)


@members.command("list")
def list_members(
    workspace: WorkspaceOption = None, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """List who is in a workspace."""
    import msgspec

    from aquilon.cli.output import add_row, out, print_json, table
    from aquilon.platform.administration import workspaces as administration
    from aquilon.platform.api.organization_bodies import member_body

    async def find(database: Database, operator: Principal) -> list[tuple[WorkspaceMember, User]]:
        return await administration.members(database, operator, workspace or operator.workspace_id)

    found = [member_body(*each) for each in as_operator(home, organization, find)]
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    rows = table("name", "role", "since")
    for each in found:
        add_row(rows, each.name, each.role, minute(each.added_at))
    out().print(rows)


@members.command("set")
def set_member(
    name: NameArgument,
    role: Annotated[str, typer.Option("--role", help="administrator, developer, member or billing.")] = "member",
    workspace: WorkspaceOption = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take somebody into a workspace, or give a member another role there."""
    import msgspec

    from aquilon.cli.output import print_json
    from aquilon.platform.accounts import user_of
    from aquilon.platform.administration import workspaces as administration
    from aquilon.platform.api.organization_bodies import member_body

    checked = checked_role(role)

    async def set_role(database: Database, operator: Principal) -> tuple[WorkspaceMember, User]:
        user = await user_of(database, name, operator.organization_id)
        return await administration.set_member(database, operator, workspace or operator.workspace_id, user.id, checked)

    member = member_body(*as_operator(home, organization, set_role))
    if as_json:
        print_json(msgspec.to_builtins(member))
    else:
        print(f"{member.name} is {member.role}")


@members.command("remove")
def remove_member(
    name: NameArgument, workspace: WorkspaceOption = None, organization: Organization = None, home: Home = None
) -> None:
    """Take somebody out of a workspace."""
    from aquilon.platform.accounts import user_of
    from aquilon.platform.administration import workspaces as administration

    async def remove(database: Database, operator: Principal) -> None:
        user = await user_of(database, name, operator.organization_id)
        await administration.remove_member(database, operator, workspace or operator.workspace_id, user.id)

    as_operator(home, organization, remove)
    print(f"Removed {name}")


def checked_role(role: str) -> Role:
    from aquilon.platform.domain.identity import ROLES

    if role not in ROLES:
        raise typer.BadParameter(f"'{role}' is none of {', '.join(ROLES)}", param_hint="--role")
    return role


def _tell(what: str, workspace: Workspace, as_json: bool) -> None:
    import msgspec

    from aquilon.cli.output import print_json
    from aquilon.platform.api.organization_bodies import workspace_body

    if as_json:
        print_json(msgspec.to_builtins(workspace_body(workspace)))
    else:
        print(f"{what} {workspace.name}")
