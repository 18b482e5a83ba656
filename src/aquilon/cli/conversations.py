"""``aquilon conversations``: how long stored conversations are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator
from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

conversations = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="How long an organization's stored conversations are kept."
)


@conversations.callback()
def _group() -> None:
    """Makes ``retention`` a command of the group, though it is the only one."""


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


def _sentence(days: int | None) -> str:
    if days is None:
        return "Conversations are kept until somebody deletes them"
    if days == 0:
        return "No conversation is stored"
    return f"Conversations are kept for {days} {'day' if days == 1 else 'days'} after their last change"
