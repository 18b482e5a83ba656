"""How a run is shown while it trains: live on a terminal, as lines elsewhere, as events to a program."""

from __future__ import annotations

import itertools
import sys
import time
from types import TracebackType
from typing import Protocol, Self

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aquilon.checkpoints.arrival import size_text
from aquilon.cli.output import parameters_text
from aquilon.training.energy import energy_text
from aquilon.training.history import History
from aquilon.training.protocol import Event, Job, Prepared, Saved, Started, Step, Validated
from aquilon.wording import counted, duration_text

_SECONDS_BETWEEN_LINES = 10.0
_SPARKS = "▁▂▃▄▅▆▇█"
_SPARKLINE = 40


class Display(Protocol):
    """Shows events as they come; a context, which ends with the training process."""

    def begin(self, history: History) -> None:
        """What had happened before."""
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

    def begin(self, history: History) -> None:
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
        self._console, self._minutes = console, job.training.minutes
        self._last_line = 0.0

    def begin(self, history: History) -> None:
        pass

    def show(self, event: Event, history: History) -> None:
        match event:
            case Started():
                self._print(start_words(event))
            case Prepared() if self._is_time() or event.bytes == event.total_bytes:
                self._print(prepared_words(event))
            case Step() if self._is_time() or event.step == event.steps:
                self._print("   ".join(filter(None, (step_words(history), *speed_words(history, self._minutes)))))
            case Validated():
                self._print(f"step {event.step:,}   {validation_words(event)}")
            case Saved():
                self._print(f"step {event.step:,}   saved {event.path}")

    def note(self, sentence: str) -> None:
        self._print(sentence)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False)
        self._console.file.flush()

    def _is_time(self) -> bool:
        if time.monotonic() - self._last_line < _SECONDS_BETWEEN_LINES:
            return False
        self._last_line = time.monotonic()
        return True


class LiveDisplay:
    """A bar, losses, speed and time left, drawn again several times a second."""

    def __init__(self, job: Job) -> None:
        self._minutes = job.training.minutes
        self._history = History()
        self._note = ""
        console = Console(stderr=True, highlight=False)  # which breaks lines that are too long
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=5)

    def begin(self, history: History) -> None:
        self._history = history

    def show(self, event: Event, history: History) -> None:
        self._history = history

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
            started = history.starts[-1]
            lines.append(Text(start_words(started), style="dim"))
            lines.append(self._bar(history))
            lines.append(Text(step_words(history)))
            if history.validations:
                lines.append(Text(validation_words(history.validations[-1])))
            lines.append(Text("   ".join(filter(None, speed_words(history, self._minutes)))))
            lines.append(Text(sparkline([step.loss for step in history.steps]), style="cyan"))
            if history.saved:
                lines.append(Text(f"last checkpoint: step {history.saved[-1].step:,}", style="dim"))
        if self._note:
            lines.append(Text(self._note, style="yellow"))
        return Group(*lines)

    def _preparing(self, history: History) -> list[RenderableType]:
        if history.prepared is None:
            return [Text("Starting …", style="dim")]
        done = history.prepared
        return [_line(ProgressBar(total=done.total_bytes, completed=done.bytes)), Text(prepared_words(done))]

    def _bar(self, history: History) -> RenderableType:
        total = history.total_steps
        if total is None and self._minutes is not None:
            return _line(ProgressBar(total=60 * self._minutes, completed=min(history.seconds, 60 * self._minutes)))
        return _line(ProgressBar(total=total, completed=history.step))


def start_words(started: Started) -> str:
    parameters = f"{parameters_text(started.parameters)} parameters"
    if started.trained_parameters != started.parameters:
        parameters += f", {parameters_text(started.trained_parameters)} of them trained"
    begin = f"from step {started.step:,}"
    return f"{parameters}   {started.batch_tokens:,} tokens a step   {started.device}   {begin}"


def prepared_words(done: Prepared) -> str:
    share = 100 * done.bytes / done.total_bytes if done.total_bytes else 100
    return (
        f"tokenizing: {share:.0f} % of {size_text(done.total_bytes)}   "
        f"{counted(done.documents, 'document')}   {done.tokens:,} tokens"
    )


def step_words(history: History) -> str:
    total = f" of {history.total_steps:,}" if history.total_steps is not None else ""
    words = f"step {history.step:,}{total}"
    if history.steps:
        words += f"   loss {history.steps[-1].loss:.4f}   smoothed {history.smoothed_loss:.4f}"
        for name, value in history.steps[-1].metrics.items():
            words += f"   {name} {value:.4g}"
    return words


def validation_words(validated: Validated) -> str:
    bits = "" if validated.bits_per_byte is None else f"   {validated.bits_per_byte:.4f} bits per byte"
    others = "".join(f"   {name} {value:.4g}" for name, value in validated.metrics.items())
    return f"validation loss {validated.loss:.4f}{bits}{others}"


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
