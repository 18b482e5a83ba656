"""``aquilon users``: the people of an organization, their roles, and their ways in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import NameArgument, Organization, as_operator, minute, print_link
from aquilon.cli.options import AsJson, Home
from aquilon.cli.organizations import checked_role

if TYPE_CHECKING:
    from aquilon.platform.administration.members import NewMember
    from aquilon.platform.domain.identity import Principal
    from aquilon.platform.storage import Database
    from aquilon.platform.storage.schema import User

users = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List people, make accounts and sign-in links, set roles."
)


@users.command("list")
def list_users(organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """List the people who may sign in."""
    import msgspec

    from aquilon.cli.output import add_row, err, out, print_json, table
    from aquilon.platform.administration import members
    from aquilon.platform.api.organization_bodies import user_body

    nothing: list[User] = []
    found = as_operator(home, organization, members.visible, before_first_start=nothing)
    if as_json:
        print_json([msgspec.to_builtins(user_body(user)) for user in found])
        return
    if not found:
        err().print("Nobody yet: the first start of `aquilon up` makes the administrator")
        return
    rows = table("name", "role", "made", "state")
    for user in found:
        add_row(rows, user.name, user.role, minute(user.created_at), "disabled" if user.disabled_at else "")
    out().print(rows)


@users.command("create")
def create_user(
    name: NameArgument,
    role: Annotated[str, typer.Option("--role", help="owner, administrator, developer, member or billing.")] = "member",
    administrator: Annotated[bool, typer.Option("--administrator", help="The same as --role administrator.")] = False,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make an account and print its one-time sign-in link."""
    from aquilon.platform.administration import members

    checked = checked_role("administrator" if administrator else role)

    async def create(database: Database, operator: Principal) -> NewMember:
        return await members.create(database, operator, name, checked)

    print_link(home, name, as_operator(home, organization, create).login_token, as_json)


@users.command("update")
def update_user(
    name: NameArgument,
    role: Annotated[str | None, typer.Option("--role", help="Another role.", show_default="as it is")] = None,
    disable: Annotated[
        bool | None,
        typer.Option("--disable/--enable", help="End sessions and keys, or let in again.", show_default="as it is"),
    ] = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give somebody another role, or disable the account."""
    import msgspec

    from aquilon.cli.output import print_json
    from aquilon.platform.accounts import user_of
    from aquilon.platform.administration import members
    from aquilon.platform.api.organization_bodies import user_body

    checked = None if role is None else checked_role(role)

    changes = members.UserChanges(role=checked, disabled=disable)

    async def change(database: Database, operator: Principal) -> User:
        user = await user_of(database, name, operator.organization_id)
        return await members.change(database, operator, user.id, changes)

    user = user_body(as_operator(home, organization, change))
    if as_json:
        print_json(msgspec.to_builtins(user))
    else:
        print(f"{user.name} is {'disabled' if user.disabled_at else user.role}")


@users.command("link")
def link_user(
    name: NameArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Print a new one-time sign-in link for somebody."""
    from aquilon.platform.accounts import user_of
    from aquilon.platform.administration import members

    async def link(database: Database, operator: Principal) -> str:
        return await members.login_link(
            database, operator, (await user_of(database, name, operator.organization_id)).id
        )

    print_link(home, name, as_operator(home, organization, link), as_json)


@users.command("reset")
def reset_user(
    name: NameArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Sign somebody out everywhere, void their links, and print a new one: for a lost device."""
    from aquilon.platform.accounts import user_of
    from aquilon.platform.administration import members

    async def reset(database: Database, operator: Principal) -> NewMember:
        return await members.reset(database, operator, (await user_of(database, name, operator.organization_id)).id)

    print_link(home, name, as_operator(home, organization, reset).login_token, as_json)
