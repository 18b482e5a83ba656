"""A pull's progress on the terminal: one bar, with speed and time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from aquilon.checkpoints.arrival import Phase
from aquilon.checkpoints.arrival import Progress as PullProgress
from aquilon.cli.output import err

_VERBS = {"download": "Downloading", "unpack": "Unpacking", "copy": "Storing", "check": "Checking"}


@contextmanager
def pull_progress() -> Iterator[PullProgress]:
    """The callback for ``pull``; it shows nothing where stderr is not a terminal."""
    console = err()

    def fixed() -> Column:
        return Column(no_wrap=True)

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=20, table_column=fixed()),
        DownloadColumn(table_column=fixed()),
        TransferSpeedColumn(table_column=fixed()),
        TimeRemainingColumn(table_column=fixed()),
    )
    bar = Progress(*columns, console=console, transient=True, expand=True, disable=not console.is_terminal)
    task = TaskID(0)
    shown: tuple[str, str] | None = None

    def show(phase: Phase, *, done: int, total: int | None, file: str) -> None:
        nonlocal shown, task
        if shown is None:
            bar.start()  # not earlier, because a question about a licence comes first
        if shown is None or shown[0] != phase:  # another phase has another speed
            for before in bar.task_ids:
                bar.remove_task(before)
            task = bar.add_task("", total=total)
        if shown != (phase, file):
            shown = (phase, file)
            bar.update(task, description=escape(f"{_VERBS[phase]} {file}"))
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        bar.stop()
