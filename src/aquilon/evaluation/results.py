"""What was measured, with everything that is needed to repeat it."""

from __future__ import annotations

import msgspec


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure, and the interval that holds the true value with 95 % confidence."""

    value: float
    low: float | None = None
    high: float | None = None
    count: int
    """Questions or documents that it was measured on."""


class TextRecord(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """One document."""

    file: str
    number: int
    """Of its line, row or piece in the file."""
    language: str | None = None
    bits: float
    """Needed to encode what was predicted."""
    bytes: int
    """Predicted: all of the text, less the first token where nothing comes before it."""
    tokens: int


class QuestionRecord(msgspec.Struct, frozen=True, kw_only=True, tag="question"):
    """One question and its answers, one for each seed."""

    number: int
    """Of its line in the file."""
    scores: list[float]
    """For each seed 1 for a right answer, 0 for a wrong one."""
    expected: str
    answers: list[str]
    """What was taken out of each output."""
    outputs: list[str] = []
    """What the model wrote; for a choice, the log-likelihood of each."""


Record = TextRecord | QuestionRecord


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One model, measured by one task."""

    model: str
    source: str
    """The path or address of the model."""
    model_sha256: str | None = None
    """Of the weights' files; None for a model behind an address."""
    step: int | None = None
    """The step of the run whose checkpoint it is."""
    language: str | None = None
    """Of the task, where it has one."""
    task: str
    definition: dict[str, object]
    """The task itself, see `evaluation.tasks`."""
    task_sha256: str
    """Of the task and its data, as `tasks.task_sha256` says."""
    data: dict[str, str]
    """SHA-256 of each file."""
    limit: int | None = None
    settings: dict[str, object]
    """How it was measured: the window, or the prompt, sampling and seeds."""
    device: str = ""
    versions: dict[str, str]
    began: str
    """ISO 8601, UTC."""
    seconds: float
    measures: dict[str, Measure]
    """By name, the first is the one to compare by: ``bits_per_byte``, with ``bits_per_byte/fr`` for each language and
    file where there are several files, or ``accuracy``; a file that is all of its language isn't there twice."""
    records: list[Record]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two models on the same questions or documents."""

    task: str
    first: str
    second: str
    measure: str
    difference: Measure
    """The first's figure less the second's."""
    better: int
    """Questions or documents on which the first is better."""
    worse: int
    equal: int
    p_value: float
    """Of the sign test over those that are not equal."""

    @property
    def decided(self) -> int:
        """How many questions or documents decide the difference."""
        return self.better + self.worse
