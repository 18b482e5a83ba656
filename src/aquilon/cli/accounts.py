"""``aquilon keys`` and ``aquilon users``: work on the home's database, whether or not the server runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from aquilon.cli.options import AsJson, Home, settings_from

if TYPE_CHECKING:
    from aquilon.platform.domain.identity import Role
    from aquilon.platform.storage import Database

Result = TypeVar("Result")

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, list and revoke API keys.")
users = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List people, make accounts and sign-in links.")

UserName = Annotated[str | None, typer.Option("--user", help="Whose key.", show_default="the first administrator")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option("--name", help="What it is for: shown in lists.", show_default=False)],
    user: UserName = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it. It is shown only now: the database keeps its SHA-256.

    \b
    Example:
      export AQUILON_API_KEY=$(aquilon keys create --name laptop)
    """
    from aquilon.cli.output import print_json
    from aquilon.platform import accounts

    key = _with_database(home, lambda database: accounts.create_api_key(database, name, user))
    if as_json:
        print_json({"name": name, "key": key})
    else:
        print(key)


@keys.command("list")
def list_keys(home: Home = None, as_json: AsJson = False) -> None:
    """List API keys: names and prefixes, never the keys."""
    import msgspec

    from aquilon.cli.output import add_row, err, out, print_json, table
    from aquilon.platform import accounts

    found = _with_database(home, accounts.list_api_keys)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    if not found:
        err().print("No API keys yet: aquilon keys create --name NAME")
        return
    rows = table("id", "name", "key", "user", "made", "last used", "state")
    for key in found:
        state = "revoked" if key.revoked else ""
        add_row(
            rows, key.id, key.name, f"{key.prefix}…", key.user_name, _day(key.created_at), _day(key.last_used_at), state
        )
    out().print(rows)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id or prefix, as listed.", show_default=False)],
    home: Home = None,
) -> None:
    """Revoke an API key: requests with it are refused from now on."""
    from aquilon.platform import accounts

    name = _with_database(home, lambda database: accounts.revoke_api_key(database, key.rstrip("…")))
    print(f"Revoked {name}")


@users.command("list")
def list_users(home: Home = None, as_json: AsJson = False) -> None:
    """List the people who may sign in."""
    import msgspec

    from aquilon.cli.output import add_row, err, out, print_json, table
    from aquilon.platform import accounts

    found = _with_database(home, accounts.list_users)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    if not found:
        err().print("Nobody yet: the first start of `aquilon up` makes the administrator")
        return
    rows = table("name", "role", "made", "state")
    for user in found:
        add_row(rows, user.name, user.role, _day(user.created_at), "disabled" if user.disabled else "")
    out().print(rows)


@users.command("create")
def create_user(
    name: NameArgument,
    administrator: Annotated[bool, typer.Option("--administrator", help="May administer this server.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make an account and print its one-time sign-in link."""
    from aquilon.platform import accounts

    role: Role = "administrator" if administrator else "member"
    _print_link(home, name, _with_database(home, lambda database: accounts.create_user(database, name, role)), as_json)


@users.command("link")
def link_user(name: NameArgument, home: Home = None, as_json: AsJson = False) -> None:
    """Print a new one-time sign-in link for somebody."""
    from aquilon.platform import accounts

    token = _with_database(home, lambda database: accounts.create_login_link(database, name))
    _print_link(home, name, token, as_json)


@users.command("reset")
def reset_user(name: NameArgument, home: Home = None, as_json: AsJson = False) -> None:
    """Sign somebody out everywhere, void their links, and print a new one: for a lost device."""
    from aquilon.platform import accounts

    _print_link(home, name, _with_database(home, lambda database: accounts.reset_user(database, name)), as_json)


def _print_link(home: Path | None, name: str, token: str, as_json: bool) -> None:
    from aquilon.cli.local_server import sign_in_url
    from aquilon.cli.output import print_json

    url, running = sign_in_url(settings_from(home=home), token)
    if as_json:
        print_json({"name": name, "url": url, "token": token, "server_running": running})
        return
    print(url)
    if not running:
        from aquilon.cli.output import err

        err().print("No server is running now: start it with `aquilon up`, then open the link")


def _with_database(home: Path | None, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Run ``work`` on the home's database; what it refuses (a taken name, say) is told in its own words."""
    import asyncio

    from aquilon.cli.errors import CommandError
    from aquilon.platform.storage import Database

    async def run() -> Result:
        database = await Database.open(settings_from(home=home))
        try:
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except (ValueError, LookupError) as error:
        raise CommandError(str(error)) from error


def _day(seconds: int | None) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M") if seconds else "never"
