"""A training process' events, read from its file and turned into what a job's lists and curves show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from aquilon.jobs.fine_tuning.store import NewEvent
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
)
from aquilon.wording import counted

MOST_POINTS = 2000
"""A longer run's curves have about so many points."""
_CHUNK = 2**20

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class EventsFile:
    """Reads what was appended since ``position``, whole lines only."""

    def __init__(self, run: Path, position: int) -> None:
        self._path = run / EVENTS
        self.position = position

    def read(self) -> list[Event]:
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self.position:
                    self.position = 0  # another run: that of a machine that has begun anew
                file.seek(self.position)
                data = file.read(_CHUNK)
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and len(data) == _CHUNK:
            whole = data  # no event is that long: what a broken disk left is skipped
        self.position += len(whole)
        events = []
        for line in whole.split(b"\n"):
            try:
                events.append(_decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # a line that a kill has cut
        return events


@dataclass(kw_only=True)
class Progress:
    """What some events change in a job."""

    step: int | None = None
    steps: int | None = None
    trained_tokens: int | None = None
    restarted_at: int | None = None
    """The steps after this one are taken again."""
    took_step: bool = False
    rows: list[NewEvent] = field(default_factory=list)
    finished: Finished | None = None
    failed: Failed | None = None

    def values(self) -> dict[str, Any]:
        """The job's columns that change."""
        changes = {"step": self.step, "steps": self.steps, "trained_tokens": self.trained_tokens}
        values: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
        return values | ({"starts": 0} if self.took_step else {})


def progress_of(events: Sequence[Event]) -> Progress:
    progress = Progress()
    for event in events:
        _add(progress, event)
    return progress


def _add(progress: Progress, event: Event) -> None:
    at = int(event.time)
    if isinstance(event, Started):
        progress.step, progress.steps = event.step, event.steps
        former = event.step if progress.restarted_at is None else progress.restarted_at
        progress.restarted_at = min(event.step, former)
        progress.rows = [row for row in progress.rows if row.kind == "message" or (row.step or 0) <= event.step]
        how = f"goes on after step {event.step}" if event.step else "begins"
        message = f"Training {how}: {event.trained_parameters:,} of {event.parameters:,} parameters, on {event.device}"
        code = "goes_on" if event.step else "begins"
        said = NewEvent.said(
            code,
            message,
            at=at,
            step=event.step,
            trained=event.trained_parameters,
            parameters=event.parameters,
            device=event.device,
        )
        progress.rows.append(said)
    elif isinstance(event, Prepared):
        if event.bytes >= event.total_bytes:
            message = f"The data is prepared: {counted(event.documents, 'example')}, {counted(event.tokens, 'token')}"
            said = NewEvent.said("prepared", message, at=at, examples=event.documents, tokens=event.tokens)
            progress.rows.append(said)
    elif isinstance(event, Step):
        progress.took_step = True
        progress.step, progress.trained_tokens = event.step, event.tokens
        progress.steps = event.steps or progress.steps
        if _is_shown(event):
            progress.rows.append(_step_row(event))
    elif isinstance(event, Validated):
        data = {"step": event.step, "valid_loss": event.loss, **_named(event.metrics, "valid")}
        message = f"Step {event.step}: validation loss={event.loss:.4f}"
        progress.rows.append(NewEvent(message=message, kind="metrics", step=event.step, data=data, created_at=at))
    elif isinstance(event, Saved):
        said = NewEvent.said(
            "checkpoint",
            f"Checkpoint created at step {event.step}",
            at=at,
            step=event.step,
            train_loss=event.loss,
            valid_loss=event.validation_loss,
        )
        progress.rows.append(replace(said, kind="checkpoint", step=event.step))
    elif isinstance(event, Paused):
        message = f"The training process has stopped after step {event.step}; its checkpoint is kept"
        progress.rows.append(NewEvent.said("stopped", message, at=at, step=event.step))
    elif isinstance(event, Finished):
        progress.finished, progress.trained_tokens = event, event.trained_tokens
    else:
        progress.failed = event


def _is_shown(event: Step) -> bool:
    steps = event.steps or 0
    return event.step in (1, steps) or event.step % max(1, -(-steps // MOST_POINTS)) == 0


def _step_row(event: Step) -> NewEvent:
    of = f"/{event.steps}" if event.steps else ""
    data: dict[str, Any] = {
        "step": event.step,
        "train_loss": event.loss,
        "learning_rate": event.learning_rate,
        "tokens": event.tokens,
        "tokens_per_second": event.tokens_per_second,
        "total_steps": event.steps,
        **_named(event.metrics, "train"),
    }
    message = f"Step {event.step}{of}: training loss={event.loss:.4f}"
    return NewEvent(message=message, kind="metrics", step=event.step, data=data, created_at=int(event.time))


def _named(metrics: dict[str, float], prefix: str) -> dict[str, float]:
    """``accuracy`` becomes ``train_accuracy``; OpenAI's ``train_mean_token_accuracy`` is in it where there is one."""
    return {f"{prefix}_{name}": value for name, value in metrics.items()}
