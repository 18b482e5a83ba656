"""What the process that measures models and the rest of the program say to each other, in files of one folder.

``order.json`` holds an `Order`. ``events.jsonl`` gets one `Event` a line. Each `Evaluation`
that is finished becomes a file, which a `Measured` event names. The process ends with 0 when everything
is measured, 1 when it failed, 2 when the order, a model or its data can't be used.

This file imports no torch: commands write orders and read evaluations.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from aquilon.evaluation.results import Evaluation
from aquilon.evaluation.tasks import Task

ORDER, EVENTS = "order.json", "events.jsonl"
EVALUATIONS = "evaluations"
"""The folder in a run's folder that keeps its evaluations."""

FINISHED, FAILED, UNUSABLE = 0, 1, 2
"""Exit codes."""

Precision = Literal["auto", "float32", "bfloat16"]
PromptForm = Literal["auto", "chat", "text"]
"""How questions are asked. ``auto``: as a chat with a model that has a chat template, and behind an address."""


class LocalCandidate(msgspec.Struct, frozen=True, kw_only=True, tag_field="at", tag="path"):
    """A model of which this machine has the weights."""

    name: str
    path: str
    """A checkpoint, or the folder of a run."""


class RemoteCandidate(msgspec.Struct, frozen=True, kw_only=True, tag_field="at", tag="url"):
    """A model behind an API in OpenAI's dialect: this server's own, or any upstream's."""

    name: str
    url: str
    """With the ``/v1`` at its end."""
    key_env: str | None = None
    """The environment variable with the key."""


Candidate = LocalCandidate | RemoteCandidate


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How answers are generated."""

    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    seeds: tuple[int, ...] = (0,)
    """Every question is answered once with each."""
    max_tokens: int | None = None
    """None: as the task says."""
    parallel: int = 8
    """Requests that are answered at the same time."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Which models are measured by which tasks."""

    candidates: list[Candidate]
    tasks: list[Task]
    sampling: Sampling = Sampling()
    prompts: PromptForm = "auto"
    limit: int | None = None
    """At most so many questions, or documents of a file; None takes all."""
    precision: Precision = "auto"
    """What local models compute in where torch does: fp32 on a CPU, bf16 on a GPU."""


class Loading(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="loading"):
    model: str
    share: float
    """Of the weights, 0 to 1."""


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="progress"):
    model: str
    task: str
    done: int
    total: int
    """In bytes of text, or in questions to answer."""


class Measured(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="measured"):
    model: str
    task: str
    file: str
    """Holds the `Evaluation`, relative to the folder."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="failed"):
    """The process ends with an error."""

    code: str
    """``unusable``, ``out_of_memory``, ``no_answer`` or ``internal_error``."""
    message: str


Event = Loading | Progress | Measured | Failed


class UnusableOrder(ValueError):
    """A model, a task or its data that can't be used; the message says which, and what would be right."""


def write_order(folder: Path, order: Order) -> None:
    (folder / ORDER).write_bytes(msgspec.json.format(msgspec.json.encode(order)))


def read_order(folder: Path) -> Order:
    """Raises UnusableOrder."""
    try:
        return msgspec.json.decode((folder / ORDER).read_bytes(), type=Order)
    except FileNotFoundError:
        raise UnusableOrder(f"{folder} holds no {ORDER}") from None
    except msgspec.DecodeError as error:
        raise UnusableOrder(f"{folder / ORDER} can't be used: {error}") from None


def read_evaluation(path: Path) -> Evaluation:
    return msgspec.json.decode(path.read_bytes(), type=Evaluation)


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(evaluation)) + b"\n")
    partial.replace(path)


class EventFile:
    """Appends events, each in the file before the next thing happens; progress at most five times a second."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / EVENTS).open("ab", buffering=0)
        self._progressed_at = 0.0

    def write(self, event: Event) -> None:
        self._file.write(msgspec.json.encode(event) + b"\n")

    def progress(self, event: Progress | Loading) -> None:
        if time.monotonic() - self._progressed_at >= 0.2:
            self._progressed_at = time.monotonic()
            self.write(event)


class EventReader:
    """Reads the events that were added since the last time."""

    def __init__(self, folder: Path) -> None:
        self._path, self._position = folder / EVENTS, 0
        self._decoder = msgspec.json.Decoder(Event)

    def __iter__(self) -> Iterator[Event]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            while (line := file.readline()).endswith(b"\n"):
                self._position += len(line)
                yield self._decoder.decode(line)
