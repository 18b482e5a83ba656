"""``aquilon keys``: API keys and their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aquilon.cli.database import Organization, as_operator, minute, whole_id
from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.api.people.organization_bodies import ApiKeyBody
    from aquilon.people.identity import Principal
    from aquilon.people.tables import ApiKey
    from aquilon.storage import Database

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, limit, rotate and revoke API keys.")

KeyArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id or beginning, as listed.", show_default=False)
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help="inference, files, batch, usage or administration; repeat for several.",
        show_default="all but administration",
    ),
]
Models = Annotated[
    list[str] | None, typer.Option("--model", help="A model it is for; repeat for several.", show_default="every model")
]
Addresses = Annotated[
    list[str] | None,
    typer.Option("--address", help="An address or network it may come from; repeat.", show_default="anywhere"),
]
_MOST_DAYS = 36_500
Days = Annotated[
    int | None, typer.Option("--days", min=1, max=_MOST_DAYS, help="Days until it expires.", show_default="never")
]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option("--name", help="What it is for: shown in lists.", show_default=False)],
    user: Annotated[
        str | None, typer.Option("--user", help="Who owns it, by name.", show_default="the first administrator")
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", help="The workspace it works in, by name or id.", show_default="the first one"),
    ] = None,
    scope: Scopes = None,
    model: Models = None,
    address: Addresses = None,
    days: Days = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it. It is shown only now: the database keeps its SHA-256.

    \b
    Example:
      export AQUILON_API_KEY=$(aquilon keys create --name laptop)
    """
    from aquilon.cli.output import print_json
    from aquilon.people.administration import keys as administration
    from aquilon.people.first_run import user_of
    from aquilon.people.identity import DEFAULT_KEY_SCOPES
    from aquilon.people.store.api_keys import NewApiKey

    limits = administration.KeyLimits(
        scopes=_scopes(scope) or DEFAULT_KEY_SCOPES,
        allowed_models=model or None,
        allowed_addresses=address or None,
        expires_at=_in_days(days),
    )

    async def create(database: Database, operator: Principal) -> NewApiKey:
        owner = await user_of(database, user, operator.organization_id)
        return await administration.create(
            database, operator, name, workspace=workspace, user_id=owner.id, limits=limits
        )

    new = as_operator(home, organization, create)
    if as_json:
        print_json({"id": new.record.id, "name": new.record.name, "key": new.secret})
    else:
        print(new.secret)


@keys.command("list")
def list_keys(organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """List API keys: names and prefixes, never the keys."""
    from aquilon.api.people.organization_bodies import api_key_body
    from aquilon.cli.tables import print_list
    from aquilon.people.administration import keys as administration

    async def read(database: Database, operator: Principal) -> list[tuple[ApiKey, str]]:
        return await administration.visible(database, operator)

    no_keys: list[tuple[ApiKey, str]] = []
    rows = as_operator(home, organization, read, before_first_start=no_keys)
    print_list(
        [api_key_body(*row) for row in rows],
        {
            "name": lambda key: key.name,
            "key": lambda key: f"{key.prefix}…",
            "user": lambda key: key.user_name or "",
            "created": lambda key: minute(key.created_at),
            "last used": lambda key: minute(key.last_used_at),
            "state": _state,
            "id": lambda key: key.id,
        },
        spare=("created", "user", "id", "last used"),
        as_json=as_json,
        nothing="No API keys yet: aquilon keys create --name NAME",
    )


@keys.command("update")
def update_key(
    key: KeyArgument,
    name: Annotated[str | None, typer.Option("--name", help="Another name.", show_default="as it is")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="inference, files, batch, usage or administration, in place of all before; repeat.",
            show_default="as it is",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="All models it is for; '' for every model; repeat.", show_default="as it is"),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option("--address", help="Where it may come from; '' for anywhere; repeat.", show_default="as it is"),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            "--days", min=0, max=_MOST_DAYS, help="Days until it expires; 0 for never.", show_default="as it is"
        ),
    ] = None,
    block: Annotated[
        bool | None, typer.Option("--block/--unblock", help="Refuse it for a while.", show_default="as it is")
    ] = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Change an API key's limits; what isn't named stays as it is.

    \b
    Examples:
      aquilon keys update aq-3fK9x2b --block
      aquilon keys update aq-3fK9x2b --model smollm2-135m --address 192.0.2.0/24 --days 90
      aquilon keys update aq-3fK9x2b --model '' --address '' --days 0
    """
    from aquilon.people.administration import keys as administration

    values: dict[str, Any] = {
        "name": name,
        "scopes": _scopes(scope),
        "allowed_models": model or None,
        "allowed_addresses": address or None,
        "expires_at": _in_days(days),
        "blocked": block,
    }
    lifted = {"allowed_models": model == [""], "allowed_addresses": address == [""], "expires_at": days == 0}
    changes = {field: value for field, value in values.items() if value is not None}
    changes |= {field: None for field, is_lifted in lifted.items() if is_lifted}

    async def change(database: Database, operator: Principal) -> ApiKey:
        return await administration.change(database, operator, await _id(database, operator, key), changes=changes)

    _print_change("Changed", as_operator(home, organization, change), as_json)


@keys.command("rotate")
def rotate_key(
    key: KeyArgument,
    hours: Annotated[int, typer.Option("--hours", min=0, help="How long the present secret works on.")] = 24,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Print a new secret for an API key; the one in use works on for a while.

    \b
    Example:
      aquilon keys rotate aq-3fK9x2b --hours 48
    """
    from aquilon.cli.output import print_json
    from aquilon.people.administration import keys as administration
    from aquilon.people.store.api_keys import NewApiKey

    async def rotate(database: Database, operator: Principal) -> NewApiKey:
        return await administration.rotate(
            database, operator, await _id(database, operator, key), keep_seconds=hours * 3600
        )

    new = as_operator(home, organization, rotate)
    if as_json:
        print_json({"id": new.record.id, "name": new.record.name, "key": new.secret})
    else:
        print(new.secret)


@keys.command("revoke")
def revoke_key(key: KeyArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """Revoke an API key: requests with it are refused from now on."""
    from aquilon.people.administration import keys as administration

    async def revoke(database: Database, operator: Principal) -> ApiKey:
        return await administration.revoke(database, operator, await _id(database, operator, key))

    _print_change("Revoked", as_operator(home, organization, revoke), as_json)


async def _id(database: Database, operator: Principal, id_or_prefix: str) -> str:
    from aquilon.people.scope import Scope
    from aquilon.people.store import api_keys
    from aquilon.people.tables import ApiKey

    key_id = await whole_id(database, operator, ApiKey, beginning=id_or_prefix)
    async with database.reading() as session:
        return (await api_keys.api_key_like(session, Scope.of_organization(operator), key_id)).id


def _scopes(names: list[str] | None) -> Any:
    from aquilon.people.identity import KEY_SCOPES

    for name in names or ():
        if name not in KEY_SCOPES:
            raise typer.BadParameter(f"'{name}' is none of {', '.join(KEY_SCOPES)}", param_hint="--scope")
    return names or None


def _in_days(days: int | None) -> int | None:
    import time

    return None if days is None else int(time.time()) + days * 24 * 3600


def _state(key: ApiKeyBody) -> str:
    import time

    if key.revoked:
        return "revoked"
    if key.blocked:
        return "blocked"
    return "expired" if key.expires_at is not None and key.expires_at <= time.time() else ""


def _print_change(verb: str, key: ApiKey, as_json: bool) -> None:
    from aquilon.api.people.organization_bodies import api_key_body
    from aquilon.cli.output import tell

    tell(api_key_body(key), f"{verb} {key.name}", as_json=as_json)
