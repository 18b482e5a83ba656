"""``aquilon limits``: requests and tokens a minute, and requests at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator, remove_one, whole_id
from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.money.administration.limits import NamedLimit
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

limits = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Requests and tokens a minute, for an organization, a workspace or a key.",
)


@limits.command("list")
def list_limits(organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """List limits: for whom and which model, with their numbers."""
    from aquilon.api.money.limits import limit_body
    from aquilon.cli.tables import print_list
    from aquilon.money.administration import limits as administration

    print_list(
        [limit_body(limit) for limit in as_operator(home, organization, administration.list_limits)],
        {
            "for": lambda limit: limit.scope,
            "name": lambda limit: limit.name,
            "model": lambda limit: limit.model or "all",
            "requests a minute": lambda limit: _number(limit.requests_per_minute),
            "tokens a minute": lambda limit: _number(limit.tokens_per_minute),
            "at once": lambda limit: _number(limit.parallel_requests),
            "id": lambda limit: limit.id,
        },
        as_json=as_json,
        nothing="No limits: everybody may ask as fast as they like",
        right=("requests a minute", "tokens a minute", "at once"),
        spare=("for", "id"),
    )


@limits.command("set")
def set_limit(
    requests: Annotated[int | None, typer.Option("--requests", min=0, help="Requests a minute.")] = None,
    tokens: Annotated[int | None, typer.Option("--tokens", min=0, help="Tokens a minute, cached ones aside.")] = None,
    parallel: Annotated[int | None, typer.Option("--parallel", min=0, help="Requests at once.")] = None,
    model: Annotated[
        str, typer.Option("--model", help="For one model, by its own name.", show_default="all together")
    ] = "",
    workspace: Annotated[str | None, typer.Option("--workspace", help="For a workspace, by name or id.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="For an API key, by id or prefix.")] = None,
    organization: Organization = None,
    home: Home = None,
) -> None:
    """Set how fast an organization, a workspace or a key may ask; a running server follows at once.

    \b
    Examples:
      aquilon limits set --requests 600 --tokens 200000
      aquilon limits set --key aq-3fK9x2b --parallel 4
      aquilon limits set --workspace research --model smollm2-135m --tokens 50000
    """
    from aquilon.money.administration import limits as administration
    from aquilon.people.tables import ApiKey

    if workspace is not None and key is not None:
        raise typer.BadParameter("a limit is for a workspace or for a key", param_hint="--key")
    if requests is None and tokens is None and parallel is None:
        raise typer.BadParameter("give one of --requests, --tokens and --parallel at least", param_hint="--requests")

    async def write(database: Database, operator: Principal) -> NamedLimit:
        return await administration.set_limit(
            database,
            operator,
            workspace=workspace,
            key=None if key is None else await whole_id(database, operator, ApiKey, beginning=key),
            model=model,
            requests_per_minute=requests,
            tokens_per_minute=tokens,
            parallel_requests=parallel,
        )

    print(as_operator(home, organization, write).limit.id)


@limits.command("remove")
def remove_limit(
    limit_id: Annotated[str, typer.Argument(metavar="ID", help="As listed.", show_default=False)],
    organization: Organization = None,
    home: Home = None,
) -> None:
    """Remove a limit: it holds nobody back from now on."""
    from aquilon.money.administration import limits as administration
    from aquilon.money.tables import StoredLimit

    remove_one(home, organization, administration.remove_limit, name=limit_id, table=StoredLimit)


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
