"""``aquilon aliases``: names that stand for models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aquilon.cli.database import as_operator, minute, remove_one
from aquilon.cli.options import AsJson, Home, settings_from

if TYPE_CHECKING:
    from aquilon.catalogue.aliases import Alias
    from aquilon.catalogue.catalogue import Catalogue
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Names that stand for models, such as small-latest."
)

Name = Annotated[str, typer.Argument(metavar="ALIAS", show_default=False)]


@app.command("list")
def list_aliases(home: Home = None, as_json: AsJson = False) -> None:
    """List the aliases, with planned switches and shares."""
    from aquilon.cli.output import err, print_json
    from aquilon.cli.tables import Table, print_table

    async def read(database: Database, operator: Principal) -> list[tuple[Alias, bool]]:
        catalogue = await catalogue_of(database, home)
        return [(alias, catalogue.annotations.is_stored(alias.name)) for alias in catalogue.annotations.aliases()]

    no_aliases: list[tuple[Alias, bool]] = []
    listed = as_operator(home, None, read, before_first_start=no_aliases)
    if as_json:
        print_json([describe(alias, in_settings=not is_stored) for alias, is_stored in listed])
        return
    if not listed:
        err().print("No aliases yet. `aquilon aliases set small-latest MODEL` makes one")
        return
    rows = []
    for alias, is_stored in listed:
        planned = ""
        if alias.switch_target is not None:
            planned = f"{alias.switch_target} from {minute(alias.switch_at)} on"
        if alias.share_target is not None:
            planned = ", ".join(filter(None, (planned, f"{alias.share_target} for {alias.share_percent} %")))
        rows.append(
            (alias.name, alias.target, alias.former or "", planned if is_stored else "set by AQUILON_MODEL_ALIASES")
        )
    print_table(Table.of(("alias", "model", "before", "planned"), rows, spare=("before",)))


@app.command("set")
def set_alias(
    name: Name,
    model: Annotated[str, typer.Argument(metavar="MODEL", show_default=False)],
    share: Annotated[
        str | None, typer.Option("--share", metavar="MODEL:PERCENT", help="Another model for a part of the keys.")
    ] = None,
    switch: Annotated[
        str | None, typer.Option("--switch", metavar="MODEL@TIME", help="Another model from a moment on.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Let a name stand for a model; a running server follows at once.

    \b
    Examples:
      aquilon aliases set small-latest mistral-small-3
      aquilon aliases set small-latest mistral-small-3 --share mistral-small-4:10
      aquilon aliases set small-latest mistral-small-3 --switch mistral-small-4@2027-01-31T06:00
    """
    from aquilon.catalogue.administration import aliases

    definition = aliases.AliasDefinition(name=name, target=model, share=_share(share), switch=_switch(switch))

    async def change(database: Database, operator: Principal) -> Alias:
        catalogue = await catalogue_of(database, home)
        known = [card.name for card in catalogue.cards() if not catalogue.is_retired(card)]
        return await aliases.set_alias(database, operator, definition, models=known)

    _print_change(as_operator(home, None, change), as_json)


@app.command("rollback")
def roll_back(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Undo an alias's share or planned switch, else go back to what it stood for before."""
    from aquilon.catalogue.administration import aliases

    async def change(database: Database, operator: Principal) -> Alias:
        return await aliases.roll_back(database, operator, name)

    _print_change(as_operator(home, None, change), as_json)


@app.command("remove")
def remove_alias(name: Name, home: Home = None) -> None:
    """Remove an alias."""
    from aquilon.catalogue.administration import aliases

    remove_one(home, None, aliases.remove, name=name)


async def catalogue_of(database: Database, home: Path | None) -> Catalogue:
    """All models that a server on this home would offer, with their notes and aliases."""
    from aquilon.catalogue.annotations import Annotations
    from aquilon.catalogue.catalogue import Catalogue
    from aquilon.checkpoints.store import ModelStore
    from aquilon.embeddings.local import LocalEmbeddings
    from aquilon.storage.sealing import Sealer
    from aquilon.upstreams.registry import UpstreamRegistry

    settings = settings_from(home=home)
    upstreams = UpstreamRegistry(database, Sealer.of(settings))
    await upstreams.refresh()
    catalogue = Catalogue(
        ModelStore(settings.models_folder),
        Annotations(database, settings_aliases=settings.model_aliases),
        (upstreams, LocalEmbeddings()),
        fine_tuned_folder=settings.fine_tuned_folder,
    )
    await catalogue.refresh(now=True)
    return catalogue


def describe(alias: Alias, *, in_settings: bool = False) -> dict[str, Any]:
    """The alias as the HTTP API describes it."""
    import msgspec

    from aquilon.api.catalogue.aliases import alias_body

    body = msgspec.to_builtins(alias_body(alias, in_settings=in_settings))
    assert isinstance(body, dict)
    return body


def moment(text: str, option: str) -> int:
    """An ISO date or time as seconds since 1970; local time if it names no zone. Raises BadParameter."""
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise typer.BadParameter(
            f"'{text}' is not a date or time: write 2027-01-31 or 2027-01-31T06:00", param_hint=option
        ) from None


def _share(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    model, _, percent = text.rpartition(":")
    if not model or not percent.removesuffix("%").isdigit():
        raise typer.BadParameter(f"'{text}' is not a share: write MODEL:10", param_hint="--share")
    return model, int(percent.removesuffix("%"))


def _switch(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    model, _, when = text.rpartition("@")
    if not model:
        raise typer.BadParameter(
            f"'{text}' is not a planned switch: write MODEL@2027-01-31T06:00", param_hint="--switch"
        )
    return model, moment(when, "--switch")


def _print_change(alias: Alias, as_json: bool) -> None:
    from aquilon.cli.output import print_json

    if as_json:
        print_json(describe(alias))
        return
    print(f"{alias.name} stands for {alias.target}")
