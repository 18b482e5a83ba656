"""How a run is shown while it trains: live on a terminal, as lines elsewhere, as events to a program."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import msgspec
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aquilon.checkpoints.arrival import size_text
from aquilon.training.energy import energy_text
from aquilon.training.history import History
from aquilon.training.protocol import Event, Job, Paused, Prepared, Saved, Started, Step, Validated
from aquilon.training.report import examples_text
from aquilon.wording import duration_text, parameters_text

_SECONDS_BETWEEN_LINES = 10.0
_SPARKS = "▁▂▃▄▅▆▇█"
_SPARKLINE = 40
_GAP = "   "


class Display(Protocol):
    """Shows events as they come; a context, which ends with the training process."""

    def begin(self, history: History, *, is_starting: bool) -> None:
        """What had happened before, and whether the process that goes on with it has only been started."""
        ...

    def show(self, event: Event, history: History) -> None: ...

    def note(self, sentence: str) -> None:
        """Say something that isn't an event. Called from a signal's handler."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class NoDisplay:
    """Passes the events on, a line of JSON each."""

    def begin(self, history: History, *, is_starting: bool) -> None:
        pass

    def show(self, event: Event, history: History) -> None:
        print(msgspec.json.encode(event).decode(), flush=True)

    def note(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class PlainDisplay:
    """Lines, for a log: what begins, what was measured and saved, and a step every ten seconds."""

    def __init__(self, console: Console, job: Job) -> None:
        self._console, self._job = console, job
        self._last_line = 0.0

    def begin(self, history: History, *, is_starting: bool) -> None:
        pass

    def show(self, event: Event, history: History) -> None:
        match event:
            case Started():
                self._print(*start_words(event))
            case Prepared() if event.bytes == event.total_bytes or self._is_time():
                self._print(*prepared_words(event, self._job))
            case Step() if event.step == event.steps or self._is_time():
                self._print(
                    *step_words(history),
                    *metric_words(event.metrics),
                    *speed_words(history, self._job.training.minutes),
                )
            case Validated():
                self._print(f"step {event.step:,}", *validation_words(event))
            case Saved():
                self._print(f"step {event.step:,}", f"saved {event.path}")

    def note(self, sentence: str) -> None:
        self._print(sentence)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _print(self, *phrases: str) -> None:
        self._console.print(joined(phrases), markup=False)
        self._console.file.flush()

    def _is_time(self) -> bool:
        if time.monotonic() - self._last_line < _SECONDS_BETWEEN_LINES:
            return False
        self._last_line = time.monotonic()
        return True


class LiveDisplay:
    """A bar, losses, speed and time left, drawn again several times a second."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._history = History()
        self._starts_before: int | None = None
        self._note = ""
        console = Console(stderr=True, highlight=False)  # which breaks lines that are too long
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=5)

    def begin(self, history: History, *, is_starting: bool) -> None:
        self._history = history
        self._starts_before = len(history.starts) if is_starting else None

    def show(self, event: Event, history: History) -> None:
        self._history = history
        if isinstance(event, Paused):  # which the note has announced
            self._note = ""

    def note(self, sentence: str) -> None:
        self._note = sentence

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.__exit__(kind, error, at)

    def _picture(self) -> RenderableType:
        history = self._history
        lines: list[RenderableType] = []
        if not history.starts:
            lines += self._preparing(history)
        else:
            lines.append(_Phrases(start_words(history.starts[-1]), style="dim"))
            lines.append(self._bar(history))
            lines.append(_Phrases(step_words(history)))
            if history.steps and history.steps[-1].metrics:
                lines.append(_Phrases(metric_words(history.steps[-1].metrics)))
            if history.validations:
                lines.append(_Phrases(validation_words(history.validations[-1])))
            if history.steps:
                lines.append(_Phrases(speed_words(history, self._job.training.minutes)))
                lines.append(Text(sparkline([step.loss for step in history.steps]), style="cyan"))
            if history.saved:
                lines.append(Text(f"last checkpoint: step {history.saved[-1].step:,}", style="dim"))
            if (
                self._starts_before == len(history.starts) and history.end is None
            ):  # the figures are of the last process
                lines.append(Text("Starting …", style="dim"))
        if self._note:
            lines.append(Text(self._note, style="yellow"))
        return Group(*lines)

    def _preparing(self, history: History) -> list[RenderableType]:
        if history.prepared is None:
            return [Text("Starting …", style="dim")]
        done = history.prepared
        return [
            _line(ProgressBar(total=done.total_bytes, completed=done.bytes)),
            _Phrases(prepared_words(done, self._job)),
        ]

    def _bar(self, history: History) -> RenderableType:
        total = history.total_steps
        if total is None and (minutes := self._job.training.minutes) is not None:
            return _line(ProgressBar(total=60 * minutes, completed=min(history.seconds, 60 * minutes)))
        return _line(ProgressBar(total=total, completed=history.step))


class _Phrases:
    """Phrases side by side, on as many lines as they need; one is broken only where it is longer than a line."""

    def __init__(self, phrases: Sequence[str], *, style: str = "") -> None:
        self._phrases, self._style = phrases, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines: list[list[str]] = [[]]
        for phrase in self._phrases:
            if lines[-1] and cell_len(joined([*lines[-1], phrase])) > options.max_width:
                lines.append([])
            lines[-1].append(phrase)
        yield Text("\n".join(map(joined, lines)), style=self._style)


def joined(phrases: Sequence[str]) -> str:
    return _GAP.join(phrases)


def start_words(started: Started) -> list[str]:
    parameters = f"{parameters_text(started.parameters)} parameters"
    if started.trained_parameters != started.parameters:
        parameters += f", {parameters_text(started.trained_parameters)} of them trained"
    begin = f"from step {started.step:,}"
    return [parameters, f"{started.batch_tokens:,} tokens a step", started.device, begin]


def prepared_words(done: Prepared, job: Job) -> list[str]:
    share = 100 * done.bytes // done.total_bytes if done.total_bytes else 100
    read = f"tokenizing: {share} % of {size_text(done.total_bytes)}"
    return [read, examples_text(job, done.documents), f"{done.tokens:,} tokens"]


def step_words(history: History) -> list[str]:
    total = f" of {history.total_steps:,}" if history.total_steps is not None else ""
    words = [f"step {history.step:,}{total}"]
    if history.steps:
        words += [f"loss {history.steps[-1].loss:.4f}", f"smoothed {history.smoothed_loss:.4f}"]
    return words


def metric_words(metrics: Mapping[str, float]) -> list[str]:
    """What an objective measures beside its loss, such as DPO's rewards."""
    return [f"{name.replace('_', ' ')} {value:z.3f}" for name, value in metrics.items()]


def validation_words(validated: Validated) -> list[str]:
    bits = [] if validated.bits_per_byte is None else [f"{validated.bits_per_byte:.4f} bits per byte"]
    return [f"validation loss {validated.loss:.4f}", *bits, *metric_words(validated.metrics)]


def speed_words(history: History, minutes: float | None) -> list[str]:
    """Speed, utilization, energy and time left, as far as they are known."""
    words = []
    if (speed := history.tokens_per_second) is not None:
        words.append(f"{speed:,.0f} tokens/s")
    if history.steps and (utilization := history.steps[-1].utilization) is not None:
        words.append(f"{100 * utilization:.1f} % MFU")
    if (joules := history.joules) is not None:
        words.append(energy_text(joules, is_measured=history.is_energy_measured))
    if (left := history.seconds_left(minutes)) is not None and history.step != history.total_steps:
        words.append(f"{duration_text(left)} left")
    return words


def sparkline(values: list[float], width: int = _SPARKLINE) -> str:
    """Means of up to ``width`` parts, as bars from the lowest to the highest."""
    if not values:
        return ""
    width = min(width, len(values))
    bounds = [len(values) * part // width for part in range(width + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(bounds)]
    low, high = min(means), max(means)
    scale = (len(_SPARKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_SPARKS[round((mean - low) * scale)] for mean in means)


def _line(bar: ProgressBar) -> RenderableType:
    table = Table.grid(expand=True)
    table.add_row(bar)
    return table
