"""``aquilon train resume``: go on with a run, whatever its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aquilon.cli.train.options import EventsAsJson, Ranks

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)]


def resume(run: RunArgument, ranks: Ranks = 1, as_json: EventsAsJson = False) -> None:
    """Go on with a run that was paused or killed, from its last whole checkpoint.

    The losses are those of a run that never stopped, bit for bit on the
    same number of ranks. A run that is finished is left as it is.
    """
    from aquilon.cli.train.running import run_and_show

    raise typer.Exit(run_and_show(run, ranks=ranks, as_json=as_json))
