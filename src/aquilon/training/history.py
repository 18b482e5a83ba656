"""What has happened in a run so far, from its events. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from aquilon.training.energy import assumed_watts
from aquilon.training.protocol import (
    EVENTS,
    Event,
    Failed,
    Finished,
    Paused,
    Prepared,
    Saved,
    Started,
    Step,
    Validated,
    read_events,
)

_RECENT_STEPS = 20
_SMOOTHING = 0.95

_Numbered = TypeVar("_Numbered", Step, Validated, Saved)


@dataclass
class History:
    """A run's events in order, without the steps that a resumed run took again."""

    starts: list[Started] = field(default_factory=list)
    prepared: Prepared | None = None
    steps: list[Step] = field(default_factory=list)
    validations: list[Validated] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)
    end: Paused | Finished | Failed | None = None
    """How the last process ended; None while it works, and after it was killed."""
    seconds: float = 0.0
    """Time that the steps took, over all processes, also of steps that were taken twice."""
    _joules_before: float = 0.0
    """Energy of the processes before this one."""
    _joules: float | None = None
    is_energy_measured: bool = True
    """Whether the machines measured all of it; else some is an estimate."""
    _decayed_loss: float = 0.0
    _decayed_weight: float = 0.0

    @classmethod
    def of(cls, run: Path) -> Self:
        history = cls()
        history.extend(read_events(run))
        return history

    def extend(self, events: Iterable[Event]) -> None:
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        match event:
            case Started():
                self._begin(event)
            case Prepared():
                self.prepared, self.end = event, None
            case Step():
                self._take(event)
            case Validated():
                self.validations.append(event)
            case Saved():
                self.saved.append(event)
            case Paused() | Finished() | Failed():
                self.end = event

    @property
    def step(self) -> int:
        return self.steps[-1].step if self.steps else self.starts[-1].step if self.starts else 0

    @property
    def total_steps(self) -> int | None:
        """None while a run by minutes hasn't found out."""
        return self.steps[-1].steps if self.steps else self.starts[-1].steps if self.starts else None

    @property
    def is_finished(self) -> bool:
        return isinstance(self.end, Finished)

    @property
    def smoothed_loss(self) -> float | None:
        """A moving average over about the last twenty steps."""
        return self._decayed_loss / self._decayed_weight if self.steps else None

    @property
    def tokens_per_second(self) -> float | None:
        """Over the last steps."""
        recent = self.steps[-_RECENT_STEPS:]
        seconds = sum(step.seconds for step in recent)
        return sum(step.tokens_per_second * step.seconds for step in recent) / seconds if seconds else None

    @property
    def joules(self) -> float | None:
        """Energy of all processes, also of steps that were taken twice; None before the first step."""
        return None if self._joules is None else self._joules_before + self._joules

    def seconds_left(self, minutes: float | None) -> float | None:
        """An estimate from the last steps; for a run by ``minutes`` from the clock. None where neither is known."""
        if self.is_finished:
            return 0.0
        if self.total_steps is None:
            return None if minutes is None or not self.steps else max(0.0, 60 * minutes - self.seconds)
        recent = [step for step in self.steps[-_RECENT_STEPS:] if step.step > self.starts[-1].step]
        if not recent:
            return None
        apart = recent[-1].time - recent[0].time + recent[0].seconds  # with validation between the steps
        return apart / len(recent) * (self.total_steps - self.step)

    def _begin(self, started: Started) -> None:
        self._joules_before += self._joules or 0.0
        self._joules = None if self._joules is None else 0.0
        self.starts.append(started)
        self.end = None
        self.steps = _until(started.step, self.steps)
        self.validations = _until(started.step, self.validations)
        self.saved = _until(started.step, self.saved)

    def _take(self, step: Step) -> None:
        self.steps.append(step)
        self.seconds += step.seconds
        if step.joules is None:  # an earlier version, on a machine that doesn't measure it
            started = self.starts[-1]
            self._joules = (self._joules or 0.0) + step.seconds * assumed_watts(started.device, started.ranks)
        else:
            self._joules = step.joules
        self.is_energy_measured &= step.joules is not None and step.joules_measured
        self._decayed_loss = _SMOOTHING * self._decayed_loss + (1 - _SMOOTHING) * step.loss
        self._decayed_weight = _SMOOTHING * self._decayed_weight + 1 - _SMOOTHING


class EventReader:
    """Reads events as they are appended to a run's file."""

    def __init__(self, run: Path) -> None:
        self._path = run / EVENTS
        self._decoder = msgspec.json.Decoder(Event)
        self._position = 0

    def read(self) -> list[Event]:
        """The events since the last call. A line that isn't whole yet is left for the next."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        events: list[Event] = []
        for line in whole.splitlines():
            try:
                events.append(self._decoder.decode(line))
            except msgspec.DecodeError:  # a line that a kill has cut
                continue
        return events


def _until(step: int, events: list[_Numbered]) -> list[_Numbered]:
    return [event for event in events if event.step <= step]
