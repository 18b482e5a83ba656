"""``aquilon users``: the people of an organization, their roles, passwords and sign-in links."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import NameArgument, Organization, as_operator, checked_role, minute, print_link
from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.people.administration.members import NewMember
    from aquilon.people.identity import Principal
    from aquilon.people.tables import User
    from aquilon.storage import Database

users = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List people, make accounts and sign-in links, set roles."
)

EmailOption = Annotated[
    str | None, typer.Option("--email", help="An address to sign in with in place of the name.", show_default="none")
]


@users.command("list")
def list_users(organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """List the people who may sign in."""
    from aquilon.api.people.organization_bodies import user_body
    from aquilon.cli.tables import print_list
    from aquilon.people.administration import members

    no_users: list[User] = []
    print_list(
        [user_body(user) for user in as_operator(home, organization, members.visible, before_first_start=no_users)],
        {
            "name": lambda user: user.name,
            "e-mail": lambda user: user.email or "",
            "role": lambda user: user.role,
            "created": lambda user: minute(user.added_at),
            "state": lambda user: "disabled" if user.disabled_at else "",
        },
        spare=("created",),
        as_json=as_json,
        nothing="Nobody yet: the first start of `aquilon up` makes the administrator",
    )


@users.command("create")
def create_user(
    name: NameArgument,
    role: Annotated[str, typer.Option("--role", help="owner, administrator, developer, member or billing.")] = "member",
    administrator: Annotated[bool, typer.Option("--administrator", help="The same as --role administrator.")] = False,
    email: EmailOption = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make an account and print its one-time sign-in link.

    \b
    Example:
      aquilon users create rosa --role developer --email rosa@example.org
    """
    from aquilon.people.administration import members

    checked = checked_role("administrator" if administrator else role)

    async def create(database: Database, operator: Principal) -> NewMember:
        return await members.create(database, operator, name, role=checked, email=email)

    print_link(home, name, as_operator(home, organization, create).login_token, as_json=as_json)


@users.command("update")
def update_user(
    name: NameArgument,
    role: Annotated[str | None, typer.Option("--role", help="Another role.", show_default="as it is")] = None,
    email: Annotated[
        str | None, typer.Option("--email", help="Another address; '' for none.", show_default="as it is")
    ] = None,
    to: Annotated[str | None, typer.Option("--name", help="Another name.", show_default="as it is")] = None,
    disable: Annotated[
        bool | None,
        typer.Option("--disable/--enable", help="End sessions and keys, or let in again.", show_default="as it is"),
    ] = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give somebody another role, name or address, or disable the account.

    \b
    Examples:
      aquilon users update rosa --role billing
      aquilon users update rosa --disable
    """
    from aquilon.api.people.organization_bodies import user_body
    from aquilon.cli.output import tell
    from aquilon.people.administration import members
    from aquilon.people.first_run import user_of

    checked = None if role is None else checked_role(role)
    changes = members.UserChanges(
        name=to, email=email or None, removes_email=email == "", role=checked, disabled=disable
    )

    async def change(database: Database, operator: Principal) -> User:
        user = await user_of(database, name, operator.organization_id)
        return await members.change(database, operator, user.id, changes=changes)

    user = user_body(as_operator(home, organization, change))
    tell(user, f"{user.name} is {'disabled' if user.disabled_at else user.role}", as_json=as_json)


@users.command("link")
def link_user(
    name: NameArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Print a new one-time sign-in link for somebody."""
    from aquilon.people.administration import members
    from aquilon.people.first_run import user_of

    async def link(database: Database, operator: Principal) -> NewMember:
        return await members.login_link(
            database, operator, (await user_of(database, name, operator.organization_id)).id
        )

    print_link(home, name, as_operator(home, organization, link).login_token, as_json=as_json)


@users.command("reset")
def reset_user(
    name: NameArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Sign somebody out everywhere, void their links and password, and print a new link: for a lost device."""
    from aquilon.people.administration import members
    from aquilon.people.first_run import user_of

    async def reset(database: Database, operator: Principal) -> NewMember:
        return await members.reset(database, operator, (await user_of(database, name, operator.organization_id)).id)

    print_link(home, name, as_operator(home, organization, reset).login_token, as_json=as_json)


@users.command("password")
def set_password(name: NameArgument, organization: Organization = None, home: Home = None) -> None:
    """Set somebody's password, asked for here or read from standard input; their sessions end.

    \b
    Example:
      pass show aquilon/admin | aquilon users password admin
    """
    from aquilon.people.administration import members
    from aquilon.people.first_run import user_of
    from aquilon.people.password_hashes import Passwords

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")

    async def change(database: Database, operator: Principal) -> User:
        user = await user_of(database, name, operator.organization_id)
        return await members.set_password(database, operator, Passwords(), user_id=user.id, password=password)

    print(f"{as_operator(home, organization, change).name} signs in with this password now")
