"""How commands work on the home's database, whether or not the server runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from aquilon.cli.options import settings_from

if TYPE_CHECKING:
    from aquilon.people.identity import Principal, Role
    from aquilon.storage import Database

Result = TypeVar("Result")

Organization = Annotated[
    str | None, typer.Option("--org", help="The organization, by name or id.", show_default="the first one")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


def with_database(home: Path | None, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Run ``work`` on the home's database and return its result.

    Raises CommandError where ``work`` refuses (a name that is taken, say), and where there is no database.
    """
    import asyncio

    from aquilon.cli.errors import CommandError
    from aquilon.cli.homes import require_database
    from aquilon.errors import ApiError
    from aquilon.storage import Database

    settings = settings_from(home=home)
    require_database(settings)

    async def run() -> Result:
        database = await Database.open(settings, create=False)
        try:
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except (ValueError, LookupError) as error:
        raise CommandError(str(error)) from error
    except ApiError as error:
        raise CommandError(error.message) from error


def as_operator(
    home: Path | None,
    organization: str | None,
    work: Callable[[Database, Principal], Awaitable[Result]],
    *,
    before_first_start: Result | None = None,
) -> Result:
    """Run ``work`` as the operator, in one organization; return ``before_first_start`` where there is none yet."""
    from aquilon.people.first_run import any_organization, operator

    async def run(database: Database) -> Result:
        if before_first_start is not None and not await any_organization(database):
            return before_first_start
        return await work(database, await operator(database, organization))

    return with_database(home, run)


def remove_one(
    home: Path | None,
    organization: str | None,
    remove: Callable[[Database, Principal, str], Awaitable[object]],
    *,
    name: str,
    table: type[Any] | None = None,
) -> None:
    """Call ``remove`` with an id or name and print it; with a ``table``, the beginning of an id is enough."""

    async def run(database: Database, operator: Principal) -> str:
        id_or_name = name if table is None else await whole_id(database, operator, table, beginning=name)
        await remove(database, operator, id_or_name)
        return id_or_name

    print(f"Removed {as_operator(home, organization, run)}")


async def whole_id(database: Database, operator: Principal, table: type[Any], *, beginning: str) -> str:
    """The organization's id with this beginning, which a narrow table shows; ``beginning`` itself if there is none.

    Raises LookupError where several ids have it.
    """
    from aquilon.people.scope import Scope

    beginning = beginning.rstrip("…")
    if not beginning.partition("_")[2]:
        return beginning
    async with database.reading() as session:
        query = Scope.of_organization(operator).select(table).where(table.id.startswith(beginning, autoescape=True))
        ids = [row.id for row in await session.scalars(query.limit(2))]
    if len(ids) > 1 and beginning not in ids:
        raise LookupError(f"Several ids begin with '{beginning}': give more of it, as --json shows it")
    return ids[0] if len(ids) == 1 else beginning


def minute(seconds: int | None, never: str = "never") -> str:
    """Local time to the minute."""
    from datetime import datetime

    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M") if seconds else never


def print_link(home: Path | None, name: str, token: str, *, as_json: bool, kind: str = "login") -> None:
    """Print a link to sign in with (``login``) or to join by (``invite``), and a hint if no server runs."""
    from aquilon.cli.local_server import page_url
    from aquilon.cli.output import err, print_json

    page, running = page_url(settings_from(home=home))
    url = f"{page}/#{kind}={token}"
    if as_json:
        print_json({"name": name, "url": url, "token": token, "server_running": running})
        return
    print(url)
    if not running:
        err().print("No server is running now: start it with `aquilon up`, then open the link")


def checked_role(role: str) -> Role:
    from aquilon.people.identity import ROLES

    if role not in ROLES:
        raise typer.BadParameter(f"'{role}' is none of {', '.join(ROLES)}", param_hint="--role")
    return role
