"""A pull's progress on the terminal: one bar, with speed and time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from aquilon.checkpoints.arrival import Phase
from aquilon.checkpoints.arrival import Progress as PullProgress
from aquilon.cli.output import err

_VERBS = {"download": "Downloading", "unpack": "Unpacking", "copy": "Storing", "check": "Checking"}


@contextmanager
def pull_progress() -> Iterator[PullProgress]:
    """Gives the callback for ``pull``; shows nothing where stderr is not a terminal."""
    console = err()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Asking", total=None)
        shown: tuple[str, str] | None = None

        def show(phase: Phase, done: int, total: int | None, file: str) -> None:
            nonlocal shown, task
            if shown is None or shown[0] != phase:  # another phase has another speed
                bar.remove_task(task)
                task = bar.add_task("", total=total)
            if shown != (phase, file):
                shown = (phase, file)
                bar.update(task, description=f"{_VERBS[phase]} {file}")
            bar.update(task, completed=done, total=total)

        yield show
