"""Runs the process that measures models, and shows what it measured."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from aquilon.cli.errors import CommandError
from aquilon.cli.output import err
from aquilon.cli.tables import Table, print_table
from aquilon.evaluation.protocol import (
    UNUSABLE,
    EventReader,
    Failed,
    Loading,
    Measured,
    Order,
    Progress,
    read_evaluation,
    write_order,
)
from aquilon.evaluation.results import Evaluation, Measure

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

_LOOK_SECONDS = 0.1


class UnusableEvaluation(CommandError):
    """A model, a task or its data can't be used."""


def measure(order: Order) -> list[Evaluation]:
    """Run the order in a process and show its progress. Raises CommandError with the process's reason."""
    with tempfile.TemporaryDirectory(prefix="aquilon-eval-") as name:
        folder = Path(name)
        write_order(folder, order)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "aquilon.evaluation.job", str(folder)],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        try:
            evaluations = _follow(process, folder)
        finally:
            process.terminate()
            process.wait()
        return evaluations


def _follow(process: subprocess.Popen[bytes], folder: Path) -> list[Evaluation]:
    evaluations: list[Evaluation] = []
    events = EventReader(folder)
    failed: Failed | None = None
    with _bars() as bars:
        bar = bars.add_task("Starting", total=None)
        while True:
            status = process.poll()
            for event in events:
                if isinstance(event, Loading):
                    bars.update(bar, description=f"Loading {event.model}", completed=event.share, total=1.0)
                elif isinstance(event, Progress):
                    what = f"{event.model}: {event.task}"
                    bars.update(bar, description=what, completed=event.done, total=event.total)
                elif isinstance(event, Measured):
                    evaluations.append(read_evaluation(folder / event.file))
                    bars.reset(bar)
                else:
                    failed = event
            if status is not None:
                break
            time.sleep(_LOOK_SECONDS)
    if status == 0:
        return evaluations
    if failed is not None:
        raise (UnusableEvaluation if status == UNUSABLE else CommandError)(failed.message)
    tail = (folder / "log").read_text(errors="replace")[-2000:]
    raise CommandError(f"The process that measures ended with status {status}: {tail}")


def show(evaluations: list[Evaluation], *, as_json: bool) -> None:
    """A table, or a line of JSON for each evaluation, without its records."""
    if as_json:
        for evaluation in evaluations:
            print(msgspec.json.encode(msgspec.structs.replace(evaluation, records=[])).decode())
        return
    rows = [
        (evaluation.model, evaluation.task, name, _figure(measure), _interval(measure), f"{measure.count:,}")
        for evaluation in evaluations
        for name, measure in evaluation.measures.items()
    ]
    titles = ("model", "task", "measure", "value", "95 % interval", "count")
    print_table(Table.of(titles, rows, right=("value", "95 % interval", "count")))


def _figure(measure: Measure) -> str:
    return f"{measure.value:.4f}"


def _interval(measure: Measure) -> str:
    return "" if measure.low is None or measure.high is None else f"{measure.low:.4f} – {measure.high:.4f}"


def _bars() -> Bars:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = err()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
