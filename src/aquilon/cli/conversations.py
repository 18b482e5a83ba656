"""``aquilon conversations``: how long stored conversations are kept, and which answers people preferred."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator
from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.chat.answer_trees import PairFormat
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

conversations = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="An organization's stored conversations: retention, preferences."
)


@conversations.command("retention")
def retention(
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, help="Keep them this many days after their last change.", show_default=False),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep them until somebody deletes them.")] = False,
    nothing: Annotated[bool, typer.Option("--nothing", help="Store none, and delete those that are stored.")] = False,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show or set how long conversations are kept, present ones included.

    \b
    Examples:
      aquilon conversations retention                # show it
      aquilon conversations retention --days 30
      aquilon conversations retention --keep --org "Example House"
    """
    from aquilon.api.conversations.retention import RetentionBody
    from aquilon.cli.output import tell
    from aquilon.conversations import administration

    if (days is not None) + keep + nothing > 1:
        raise typer.BadParameter("give one of --days, --keep and --nothing", param_hint="--days")

    async def work(database: Database, operator: Principal) -> int | None:
        if days is not None or keep or nothing:
            await administration.set_retention(database, operator, 0 if nothing else days)
        return await administration.retention(database, operator)

    kept = as_operator(home, organization, work)
    tell(RetentionBody(days=kept), _sentence(kept), as_json=as_json)


@conversations.command("preferences")
def preferences(
    format: Annotated[
        str, typer.Option("--format", help="trl, for TRL's trainers, or openai, for OpenAI's preference fine-tuning.")
    ] = "trl",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write.", show_default="stdout", dir_okay=False)
    ] = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Export pairs of answers of which people preferred one, as JSON Lines for training.

    Only of people who agreed to it, where the organization has switched it on.

    \b
    Examples:
      aquilon conversations preferences --output pairs.jsonl
      aquilon conversations preferences --format openai --output pairs.jsonl --json
    """
    import json

    from aquilon.chat.preferences import preference_pairs
    from aquilon.cli.output import print_json
    from aquilon.wording import counted

    if format not in ("openai", "trl"):
        raise typer.BadParameter(f"'{format}' is neither trl nor openai", param_hint="--format")
    if as_json and output is None:
        raise typer.BadParameter("--json says what was written: give --output too", param_hint="--json")
    shape: PairFormat = "openai" if format == "openai" else "trl"

    async def work(database: Database, operator: Principal) -> int:
        number = 0
        with nullcontext(sys.stdout) if output is None else output.open("w", encoding="utf-8") as file:
            async for pair in await preference_pairs(database, operator):
                file.write(json.dumps(pair.as_row(shape), ensure_ascii=False) + "\n")
                number += 1
        return number

    number = as_operator(home, organization, work)
    if as_json:
        print_json({"file": str(output), "format": format, "pairs": number})
    elif output is not None:
        print(f"{counted(number, 'pair')} written to {output}")


def _sentence(days: int | None) -> str:
    if days is None:
        return "Conversations are kept until somebody deletes them"
    if days == 0:
        return "No conversation is stored"
    return f"Conversations are kept for {days} {'day' if days == 1 else 'days'} after their last change"
