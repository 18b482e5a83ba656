"""Options that the commands of ``aquilon train`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path, typer.Option("--out", metavar="RUN", help="The run's folder; one that is there goes on.", show_default=False)
]
Ranks = Annotated[
    int, typer.Option("--ranks", min=1, metavar="N", help="Processes that train together, one for each GPU.")
]
EventsAsJson = Annotated[bool, typer.Option("--json", help="Print events as lines of JSON, for programs.")]
