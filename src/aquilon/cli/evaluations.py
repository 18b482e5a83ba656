"""Runs the process that measures models, and shows what it measured."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from aquilon.cli.errors import CommandError
from aquilon.cli.output import err
from aquilon.cli.tables import Table, print_table
from aquilon.evaluation.languages import LANGUAGES
from aquilon.evaluation.protocol import (
    EVALUATIONS,
    EventReader,
    Failed,
    Loading,
    LocalCandidate,
    Measured,
    Order,
    Progress,
    read_evaluation,
    write_evaluation,
    write_order,
)
from aquilon.evaluation.results import Comparison, Evaluation, Measure
from aquilon.evaluation.scorecard import scorecard, write_scorecard
from aquilon.evaluation.statistics import compare
from aquilon.starting_process import started_by_this_process
from aquilon.training.protocol import CARD, JOB, MODEL
from aquilon.wording import duration_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

    from aquilon.checkpoints.store import ModelStore

_LOOK_SECONDS = 0.1
_SECONDS_BETWEEN_LINES = 60.0


def measure(order: Order) -> Iterator[Evaluation]:
    """Run the order in a process, show its progress, and return each evaluation as soon as it is there.

    Raises CommandError with the process's reason.
    """
    with tempfile.TemporaryDirectory(prefix="aquilon-eval-") as name:
        folder = Path(name)
        write_order(folder, order)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "aquilon.evaluation.job", str(folder)],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | started_by_this_process(),
            )
        try:
            yield from _follow(process, folder)
        finally:
            process.terminate()
            process.wait()


def _follow(process: subprocess.Popen[bytes], folder: Path) -> Iterator[Evaluation]:
    events = EventReader(folder)
    failed: Failed | None = None
    lines = ProgressLines(err())
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
                    lines.show(event)
                elif isinstance(event, Measured):
                    yield read_evaluation(folder / event.file)
                    bars.reset(bar, total=None, description="Measured")
                else:
                    failed = event
            if status is not None:
                break
            time.sleep(_LOOK_SECONDS)
    if status == 0:
        return
    if failed is not None:
        raise CommandError(failed.message)
    tail = (folder / "log").read_text(errors="replace")[-2000:]
    raise CommandError(f"The process that measures ended with status {status}: {tail}")


class ProgressLines:
    """A line a minute where no bar is shown, because the answers go to a log."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._last_line = clock()
        self._measured: tuple[str, str] | None = None
        self._began = 0.0
        self._done_before = 0

    def show(self, progress: Progress) -> None:
        now = self._clock()
        if (progress.model, progress.task) != self._measured:
            self._measured, self._began = (progress.model, progress.task), now
            self._done_before = progress.done
        if self._console.is_terminal or now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        line = f"{progress.model}: {progress.task}, {100 * progress.done / max(1, progress.total):.0f} %"
        if done := progress.done - self._done_before:
            left = (now - self._began) / done * max(0, progress.total - progress.done)
            line += f", {duration_text(left)} left"
        self._console.print(line, markup=False)


def keep(order: Order, evaluation: Evaluation, out: Path | None) -> None:
    """Write an evaluation into its run's folder, and into ``out``: NAME.json by model and task.

    An earlier result with the same name stays; the new one gets a number.
    """
    for candidate in order.candidates:
        if not isinstance(candidate, LocalCandidate) or candidate.path != evaluation.source:
            continue
        if (Path(candidate.path) / JOB).is_file():
            step = "" if evaluation.step is None else f"-step-{evaluation.step}"
            _write(Path(candidate.path) / EVALUATIONS, f"{evaluation.task}{step}", evaluation)
    if out is not None:
        _write(out, f"{Path(evaluation.model).name}-{evaluation.task}", evaluation)


def keep_scorecards(order: Order, evaluations: list[Evaluation], store: ModelStore) -> None:
    """Write each local model's scorecard beside its files: into the store, or a run's folder and its released model."""
    for candidate in order.candidates:
        own = [evaluation for evaluation in evaluations if evaluation.model == candidate.name]
        if not isinstance(candidate, LocalCandidate) or not own:
            continue
        path, card = Path(candidate.path), scorecard(own)
        if not card.languages:
            raise CommandError(f"{candidate.name}: nothing was measured in {', '.join(LANGUAGES.values())}")
        if (path / JOB).is_file():
            write_scorecard(path / EVALUATIONS, card)
            if (path / MODEL).is_dir():
                write_scorecard(path / MODEL, card)
        elif path.parent == store.folder.resolve():
            write_scorecard(path, card)
            os.utime(store.folder)  # a running server reads its models again
        else:
            where = f"{path} is no model of the store" if path.is_dir() else f"{path} is a file"
            err().print(f"The scorecard of {candidate.name} is not kept: {where}", markup=False)


def renew_cards(order: Order) -> None:
    """Write the cards of the runs' released models again: they say what was measured."""
    for candidate in order.candidates:
        if isinstance(candidate, LocalCandidate) and (Path(candidate.path) / MODEL / CARD).is_file():
            command = [sys.executable, "-P", "-m", "aquilon.training.renewed_card", candidate.path]
            renewing = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if renewing.returncode != 0:
                reason = renewing.stderr.strip()[-2000:]
                raise CommandError(f"{candidate.name} was measured, but its card could not be written again: {reason}")


def _write(folder: Path, name: str, evaluation: Evaluation) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]+", "-", name)
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    path = next(path for path in (folder / f"{name}.json" for name in names) if not path.exists())
    write_evaluation(path, evaluation)


def show(evaluations: list[Evaluation], *, as_json: bool) -> None:
    """Tables, or lines of JSON: each evaluation without its records, then each comparison of two models."""
    if not evaluations:
        return
    comparisons = _comparisons(evaluations)
    if as_json:
        for evaluation in evaluations:
            print(_line("evaluation", msgspec.structs.replace(evaluation, records=[])))
        for comparison in comparisons:
            print(_line("comparison", comparison))
        return
    rows = [
        (evaluation.model, evaluation.task, name, *_cells(measure), f"{measure.count:,}")
        for evaluation in evaluations
        for name, measure in evaluation.measures.items()
    ]
    titles = ("model", "task", "measure", "value", "95 % interval", "count")
    print_table(Table.of(titles, rows, right=("value", "95 % interval", "count")))
    if comparisons:
        print()
        compared = [
            (
                f"{comparison.first} − {comparison.second}",
                comparison.task,
                *_cells(comparison.difference),
                f"{comparison.decided:,} of {comparison.difference.count:,}: {comparison.better:,} for the first",
                f"{comparison.p_value:.3g}",
            )
            for comparison in comparisons
        ]
        titles = ("difference", "task", "value", "95 % interval", "decided by", "p")
        print_table(Table.of(titles, compared, right=("value", "95 % interval", "p")))
    for evaluation in evaluations:
        if note := _open_sandbox(evaluation):
            err().print(note, markup=False)


def _line(name: str, value: Evaluation | Comparison) -> str:
    return msgspec.json.encode({name: value}).decode()


def _comparisons(evaluations: list[Evaluation]) -> list[Comparison]:
    """Of the first model with each other one, task by task."""
    by_task: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        by_task.setdefault(evaluation.task_sha256, []).append(evaluation)
    return [compare(same[0], other) for same in by_task.values() for other in same[1:]]


def _open_sandbox(evaluation: Evaluation) -> str:
    isolation = evaluation.settings.get("isolation")
    if not isinstance(isolation, dict):
        return ""
    left = [name for name in ("network", "files", "processes") if not isolation.get(name)]
    means = "user namespaces or Landlock"
    return f"{evaluation.task}: programs were not kept from {', '.join(left)}; this needs {means}" if left else ""


def _cells(measure: Measure) -> tuple[str, str]:
    return f"{measure.value:.4f}", (
        "" if measure.low is None or measure.high is None else f"{measure.low:.4f} – {measure.high:.4f}"
    )


def _bars() -> Bars:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = err()
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=20, table_column=Column(no_wrap=True)),
        TaskProgressColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
        expand=True,
        disable=not console.is_terminal,
    )
