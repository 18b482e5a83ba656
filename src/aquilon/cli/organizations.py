"""``aquilon orgs``, ``workspaces`` and ``members``: the organizations on this server, and who works where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import NameArgument, Organization, as_operator, checked_role, minute, print_link
from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.people.administration.organizations import NewOrganization
    from aquilon.people.identity import Principal
    from aquilon.people.tables import Organization as OrganizationRow
    from aquilon.people.tables import User, Workspace, WorkspaceMember
    from aquilon.storage import Database

organizations = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Organizations that share this server.")
workspaces = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="An organization's workspaces.")
members = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who is in a workspace, in which role.")

WorkspaceOption = Annotated[
    str | None, typer.Option("--workspace", help="The workspace, by name or id.", show_default="the first one")
]


@organizations.command("list")
def list_organizations(home: Home = None, as_json: AsJson = False) -> None:
    """List the organizations."""
    from aquilon.api.people.organization_bodies import organization_body
    from aquilon.cli.tables import print_list
    from aquilon.people.administration import organizations as administration

    no_organizations: list[OrganizationRow] = []
    print_list(
        [
            organization_body(row)
            for row in as_operator(home, None, administration.visible, before_first_start=no_organizations)
        ],
        {
            "name": lambda row: row.name,
            "created": lambda row: minute(row.created_at),
            "state": lambda row: "disabled" if row.disabled_at else "runs this server" if row.operates else "",
            "id": lambda row: row.id,
        },
        spare=("created", "id"),
        as_json=as_json,
        nothing="No organizations yet: the first start of `aquilon up` makes the first",
    )


@organizations.command("create")
def create_organization(
    name: NameArgument,
    owner: Annotated[str, typer.Option("--owner", help="The name of its first user.")] = "admin",
    email: Annotated[str | None, typer.Option("--email", help="The owner's address.", show_default="none")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make an organization and print a link that signs its owner in once.

    \b
    Example:
      aquilon orgs create acme --owner olga --email olga@example.org
    """
    from aquilon.people.administration import organizations as administration

    async def create(database: Database, operator: Principal) -> NewOrganization:
        return await administration.create(database, operator, name, owner=owner, email=email)

    new = as_operator(home, None, create)
    print_link(home, new.owner.name, new.login_token, as_json=as_json)


@organizations.command("update")
def update_organization(
    name: NameArgument,
    to: Annotated[str | None, typer.Option("--name", help="Another name.", show_default="as it is")] = None,
    disable: Annotated[
        bool | None,
        typer.Option("--disable/--enable", help="End sessions and keys, or let in again.", show_default="as it is"),
    ] = None,
    passwords: Annotated[
        bool | None,
        typer.Option(
            "--passwords/--no-passwords", help="Whether its people may sign in by password.", show_default="as it is"
        ),
    ] = None,
    vat_percent: Annotated[
        str | None,
        typer.Option(
            "--vat-percent",
            metavar="RATE",
            help="VAT on its statements, such as 5.5; 'default' for the server's.",
            show_default="as it is",
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Rename or disable an organization, have its people come by single sign-on alone, or set its rate of VAT.

    \b
    Examples:
      aquilon orgs update acme --disable
      aquilon orgs update acme --no-passwords
      aquilon orgs update acme --vat-percent 5.5
    """
    from decimal import Decimal

    from aquilon.api.people.organization_bodies import organization_body
    from aquilon.cli.output import tell
    from aquilon.people.administration import organizations as administration
    from aquilon.people.administration import workspaces as within
    from aquilon.people.administration.organizations import VAT_PERCENT
    from aquilon.people.first_run import operator as operator_of

    has_rate = vat_percent is not None and vat_percent != "default"
    if has_rate and not re.fullmatch(VAT_PERCENT, str(vat_percent)):
        raise typer.BadParameter(f"'{vat_percent}' is no rate: write 20 or 5.5", param_hint="--vat-percent")

    async def change(database: Database, operator: Principal) -> OrganizationRow:
        if passwords is not None:
            its_operator = await operator_of(database, name)
            await within.change_organization(database, its_operator, password_sign_in=passwords)
        return await administration.change(
            database,
            operator,
            name,
            name=to,
            disabled=disable,
            vat_percent=Decimal(str(vat_percent)) if has_rate else None,
            sets_vat=vat_percent is not None,
        )

    changed = organization_body(as_operator(home, None, change))
    tell(changed, f"{changed.name} is {'disabled' if changed.disabled_at else 'open'}", as_json=as_json)


@workspaces.command("list")
def list_workspaces(organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """List an organization's workspaces."""
    from aquilon.api.people.organization_bodies import workspace_body
    from aquilon.cli.tables import print_list
    from aquilon.people.administration import workspaces as administration

    print_list(
        [workspace_body(row) for row in as_operator(home, organization, administration.visible)],
        {
            "name": lambda workspace: workspace.name,
            "created": lambda workspace: minute(workspace.created_at),
            "state": lambda workspace: "archived" if workspace.archived_at else "",
            "id": lambda workspace: workspace.id,
        },
        spare=("created", "id"),
        as_json=as_json,
    )


@workspaces.command("create")
def create_workspace(
    name: NameArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Make a workspace."""
    from aquilon.people.administration import workspaces as administration

    async def create(database: Database, operator: Principal) -> Workspace:
        return await administration.create(database, operator, name)

    _print_change("Created workspace", as_operator(home, organization, create), as_json)


@workspaces.command("rename")
def rename_workspace(
    name: NameArgument,
    to: Annotated[str, typer.Argument(metavar="NEW", show_default=False)],
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give a workspace another name."""
    from aquilon.people.administration import workspaces as administration

    async def rename(database: Database, operator: Principal) -> Workspace:
        return await administration.rename(database, operator, name, name=to)

    _print_change("Renamed to", as_operator(home, organization, rename), as_json)


@workspaces.command("archive")
def archive_workspace(
    name: NameArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Archive a workspace: its keys stop working, its usage stays."""
    from aquilon.people.administration import workspaces as administration

    async def archive(database: Database, operator: Principal) -> Workspace:
        return await administration.archive(database, operator, name)

    _print_change("Archived workspace", as_operator(home, organization, archive), as_json)


@members.command("list")
def list_members(
    workspace: WorkspaceOption = None, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """List who is in a workspace."""
    from aquilon.api.people.organization_bodies import member_body
    from aquilon.cli.tables import print_list
    from aquilon.people.administration import workspaces as administration

    async def find(database: Database, operator: Principal) -> list[tuple[WorkspaceMember, User]]:
        return await administration.members(database, operator, workspace or operator.workspace_id)

    print_list(
        [member_body(*row) for row in as_operator(home, organization, find)],
        {
            "name": lambda member: member.name,
            "role": lambda member: member.role,
            "since": lambda member: minute(member.added_at),
        },
        spare=("since",),
        as_json=as_json,
    )


@members.command("set")
def set_member(
    name: NameArgument,
    role: Annotated[str, typer.Option("--role", help="administrator, developer, member or billing.")] = "member",
    workspace: WorkspaceOption = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take somebody into a workspace, or give a member another role there.

    \b
    Example:
      aquilon members set rosa --workspace research --role developer
    """
    from aquilon.api.people.organization_bodies import member_body
    from aquilon.cli.output import tell
    from aquilon.people.administration import workspaces as administration
    from aquilon.people.first_run import user_of

    checked = checked_role(role)

    async def set_role(database: Database, operator: Principal) -> tuple[WorkspaceMember, User]:
        user = await user_of(database, name, operator.organization_id)
        return await administration.set_member(
            database, operator, workspace or operator.workspace_id, user_id=user.id, role=checked
        )

    member = member_body(*as_operator(home, organization, set_role))
    tell(member, f"{member.name} is {member.role}", as_json=as_json)


@members.command("remove")
def remove_member(
    name: NameArgument, workspace: WorkspaceOption = None, organization: Organization = None, home: Home = None
) -> None:
    """Take somebody out of a workspace."""
    from aquilon.people.administration import workspaces as administration
    from aquilon.people.first_run import user_of

    async def remove(database: Database, operator: Principal) -> None:
        user = await user_of(database, name, operator.organization_id)
        await administration.remove_member(database, operator, workspace or operator.workspace_id, user_id=user.id)

    as_operator(home, organization, remove)
    print(f"Removed {name}")


def _print_change(verb: str, workspace: Workspace, as_json: bool) -> None:
    from aquilon.api.people.organization_bodies import workspace_body
    from aquilon.cli.output import tell

    tell(workspace_body(workspace), f"{verb} {workspace.name}", as_json=as_json)
