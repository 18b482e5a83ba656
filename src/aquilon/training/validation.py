"""Checks the data of a fine-tuning before any weight is read: every line, by its number, and what the run will take.

Imports no torch: commands and the API check with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from aquilon.training.conversations.base import Base, open_base
from aquilon.training.conversations.encoding import Document
from aquilon.training.conversations.lines import UnusableLine, conversation, pair
from aquilon.training.data.documents import UnreadableSource, read_objects, source_files
from aquilon.training.protocol import Dpo, Sft
from aquilon.training.speeds import Machine, this_machine
from aquilon.training.tuning_sizes import flops_per_token, lora_parameters, tuning_sizes
from aquilon.wording import counted

MOST_PROBLEMS = 20
_FEW = 10


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a line, or a file, can't be trained on."""

    path: str
    line: int | None
    """None: the whole file."""
    message: str


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with some lines of a file, one after the other."""

    path: str
    place: str
    """``line 7``, ``lines 1 to 20``; empty for the whole file."""
    message: str
    count: int
    """Of the lines."""


def faults(problems: Iterable[Problem]) -> Iterator[Fault]:
    """The problems in order; lines that follow each other and have the same make one."""
    for (path, message), group in itertools.groupby(problems, lambda problem: (problem.path, problem.message)):
        lines: list[int] = []
        for problem in group:
            if problem.line is None:
                yield Fault(path, "", message, 1)
                continue
            if lines and problem.line != lines[-1] + 1:
                yield Fault(path, _place(lines), message, len(lines))
                lines = []
            lines.append(problem.line)
        if lines:
            yield Fault(path, _place(lines), message, len(lines))


def _place(lines: Sequence[int]) -> str:
    return f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the usable lines of the training data hold."""

    lines: int
    """Conversations, or pairs."""
    tokens: int
    """Of all that is computed in an epoch."""
    trained_tokens: int
    longest: int
    """Tokens of the longest conversation, or ending with its prompt."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What training will take on this machine, roughly."""

    steps: int | None
    """None: the job says how many minutes."""
    step_tokens: int
    epochs: float | None
    learning_rate: float
    parameters: int
    trained_parameters: int
    seconds: float
    memory_bytes: int
    machine: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in the data of a job."""

    problems: list[Problem]
    """The first ones."""
    problem_count: int
    notes: list[str]
    """What is no mistake, and may surprise."""
    statistics: Statistics
    estimate: Estimate | None
    """None where no line can be trained on."""

    @property
    def is_usable(self) -> bool:
        return not self.problem_count


def check(job: Sft | Dpo, *, most_problems: int = MOST_PROBLEMS, machine: Machine | None = None) -> Check:
    """Check every line. Raises UnusableJob for a model that can't be fine-tuned.

    ``machine``: what will train; None measures this one.
    """
    base = open_base(Path(job.model), context=job.context)
    training = _Reading(job, base, most_problems)
    training.read(job.data)
    held_back = _Reading(job, base, most_problems)
    held_back.read(job.validation)
    statistics = Statistics(
        lines=training.lines,
        tokens=training.tokens,
        trained_tokens=training.trained_tokens,
        longest=training.longest,
    )
    problems = [*training.problems, *held_back.problems][:most_problems]
    return Check(
        problems=problems,
        problem_count=training.problem_count + held_back.problem_count,
        notes=_notes(job, statistics, training.ignored | held_back.ignored),
        statistics=statistics,
        estimate=_estimate(job, base, statistics, machine or this_machine()) if training.lines else None,
    )


class _Reading:
    """Reads files and counts what they hold."""

    def __init__(self, job: Sft | Dpo, base: Base, most_problems: int) -> None:
        self._job, self._base, self._most_problems = job, base, most_problems
        self.problems: list[Problem] = []
        self.problem_count = 0
        self.ignored: set[str] = set()
        self.lines = self.tokens = self.trained_tokens = self.longest = 0

    def read(self, sources: Sequence[str]) -> None:
        for source in sources:
            try:
                for path in source_files([Path(source)]):
                    self._read(path)
            except UnreadableSource as error:
                self._refuse(error)

    def _read(self, path: Path) -> None:
        before = self.lines + self.problem_count
        for number, fields in read_objects(path, refuse=self._refuse):
            try:
                documents = self._documents(fields)
                for document in documents:
                    self._base.require_fit(document)
            except UnusableLine as error:
                self._refuse(UnreadableSource(path, str(error), line=number))
                continue
            self.lines += 1
            self.tokens += sum(len(document.ids) for document in documents)
            self.trained_tokens += sum(map(sum, (document.trained for document in documents)))
            self.longest = max(self.longest, *(len(document.ids) for document in documents))
        if self.lines + self.problem_count == before:
            self._refuse(UnreadableSource(path, "is empty"))

    def _documents(self, fields: dict[str, object]) -> list[Document]:
        if isinstance(self._job, Sft):
            return self._base.encoder.documents(conversation(fields, ignored=self.ignored))
        return list(self._base.encoder.pair(pair(fields, ignored=self.ignored)))

    def _refuse(self, error: UnreadableSource) -> None:
        self.problem_count += 1
        if len(self.problems) < self._most_problems:
            self.problems.append(Problem(path=str(error.path), line=error.line, message=error.problem))


def _notes(job: Sft | Dpo, statistics: Statistics, ignored: set[str]) -> list[str]:
    notes = []
    what = "conversation" if isinstance(job, Sft) else "pair"
    if 0 < statistics.lines < _FEW:
        are = "is" if statistics.lines == 1 else "are"
        number = counted(statistics.lines, what)
        notes.append(f"there {are} {number} only: a model learns a style from about 50")
    if ignored:
        notes.append(f"nothing reads the fields {', '.join(sorted(ignored)[:12])}")
    return notes


def _estimate(job: Sft | Dpo, base: Base, statistics: Statistics, machine: Machine) -> Estimate:
    architecture = base.checkpoint.architecture
    sizes = tuning_sizes(
        job,
        architecture,
        tokens=statistics.tokens,
        longest=statistics.longest,
        rows=statistics.lines if isinstance(job, Dpo) else None,
        context=base.context,
    )
    rows = statistics.lines if isinstance(job, Dpo) else max(1, round(statistics.tokens / sizes.row_tokens))
    steps = sizes.steps(job, rows)
    step_tokens = round(statistics.tokens / rows * sizes.rows_per_step)
    flops = flops_per_token(job, architecture, sizes.row_tokens)
    if job.training.minutes is not None:
        seconds = 60 * job.training.minutes
    else:
        seconds = (steps or 1) * step_tokens * flops / machine.flops
        if isinstance(job, Dpo):  # the reference reads all pairs once
            seconds += statistics.tokens * architecture.flops_per_token(sizes.row_tokens // 2) / machine.flops
    trained = architecture.parameters() if job.lora is None else lora_parameters(architecture, job.lora)
    return Estimate(
        steps=steps,
        step_tokens=step_tokens,
        epochs=sizes.epochs,
        learning_rate=sizes.learning_rate,
        parameters=architecture.parameters() + (trained if job.lora is not None else 0),
        trained_parameters=trained,
        seconds=seconds,
        memory_bytes=_memory(job, base, trained, step_tokens, machine),
        machine=machine.name,
    )


_MICRO_TOKENS = {False: 4096, True: 32_768}
_PROCESS_BYTES = 600 * 2**20
"""The interpreter with torch, and a part of the logits."""


def _memory(job: Sft | Dpo, base: Base, trained: int, step_tokens: int, machine: Machine) -> int:
    """Weights, gradients and the optimizer's two moments in fp32, and what a step keeps for its backward pass."""
    architecture = base.checkpoint.architecture
    frozen = 0 if job.lora is None else architecture.parameters()
    weights = trained * (16 + (machine.value_bytes if machine.value_bytes < 4 else 0)) + frozen * machine.value_bytes
    tokens = min(step_tokens, _MICRO_TOKENS[machine.is_gpu])
    heads = (architecture.num_heads + 2 * architecture.num_kv_heads) * architecture.head_dim
    experts = max(1, architecture.experts_per_token)
    a_layer = 12 * architecture.hidden_size + 4 * heads + 6 * architecture.intermediate_size * experts
    layers = 1 if job.training.recompute else architecture.num_layers
    return _PROCESS_BYTES + weights + tokens * layers * a_layer * machine.value_bytes
