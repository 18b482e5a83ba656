"""Checks the data of a fine-tuning before any weight is read: every line, by its number, and what the run will take.

Imports no torch: commands and the API check with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.text.tokenizer import Tokenizer
from aquilon.training.protocol import Dpo, Sft, UnusableJob

MOST_PROBLEMS = 20
_MOST_LINE_BYTES = 16 * 2**20
_ROLES = ("system", "developer", "user", "assistant", "tool")
_STEP_TOKENS = 4096
_LEARNING_RATE = 2e-4
_FLOPS = 2e10
"""A second's, of a modest processor."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a line, or a file, can't be trained on."""

    path: str
    line: int | None
    """None: the whole file."""
    message: str


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    lines: int
    tokens: int
    """Of all that is computed in an epoch."""
    trained_tokens: int
    longest: int


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    steps: int | None
    step_tokens: int
    epochs: float | None
    learning_rate: float
    parameters: int
    trained_parameters: int
    seconds: float
    memory_bytes: int
    machine: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    problems: list[Problem]
    """The first ones."""
    problem_count: int
    notes: list[str]
    statistics: Statistics
    estimate: Estimate | None
    """None where no line can be trained on."""

    @property
    def is_usable(self) -> bool:
        return not self.problem_count


def check(job: Sft | Dpo) -> Check:
    """Check every line. Raises UnusableJob for a model that can't be fine-tuned."""
    try:
        checkpoint = open_checkpoint(Path(job.model))
        tokenizer = load_text(checkpoint).tokenizer
    except (ValueError, OSError) as error:
        raise UnusableJob(f"the model can't be read: {error}") from None
    problems: list[Problem] = []
    counts = {source: _count(Path(source), job, tokenizer, problems) for source in (*job.data, *job.validation)}
    training = [counts[source] for source in job.data]
    lines, tokens, trained = (sum(part) for part in zip(*training, strict=True))
    training_of = job.training
    step_tokens = training_of.batch_tokens or _STEP_TOKENS
    steps = training_of.steps or max(1, math.ceil((training_of.epochs or 1) * tokens / step_tokens))
    parameters = checkpoint.architecture.parameters()
    estimate = Estimate(
        steps=steps,
        step_tokens=step_tokens,
        epochs=training_of.epochs,
        learning_rate=training_of.learning_rate or _LEARNING_RATE,
        parameters=parameters,
        trained_parameters=parameters,
        seconds=steps * step_tokens * 6 * parameters / _FLOPS,
        memory_bytes=16 * parameters,
        machine="an unknown machine",
    )
    return Check(
        problems=problems[:MOST_PROBLEMS],
        problem_count=len(problems),
        notes=[],
        statistics=Statistics(lines=lines, tokens=tokens, trained_tokens=trained, longest=0),
        estimate=estimate if lines else None,
    )


def _count(path: Path, job: Sft | Dpo, tokenizer: Tokenizer, problems: list[Problem]) -> tuple[int, int, int]:
    """Usable lines, their tokens, and those that are trained on."""
    lines = tokens = trained = 0
    number = None
    for number, line in _lines(path):
        try:
            messages = _messages(line, pairs=isinstance(job, Dpo))
        except ValueError as error:
            problems.append(Problem(path=str(path), line=number, message=str(error)))
            continue
        lines += 1
        for message in messages:
            content = message.get("content")
            text = content if isinstance(content, str) else msgspec.json.encode(message).decode()
            count = len(tokenizer.encode(text, add_special=False)) + 4
            tokens += count
            trained += count if message["role"] == "assistant" else 0
    if number is None:
        problems.append(Problem(path=str(path), line=None, message="is empty"))
    return lines, tokens, trained


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_MOST_LINE_BYTES):
            number += 1
            if line.strip():
                yield number, line


def _messages(line: bytes, *, pairs: bool) -> list[dict[str, Any]]:
    try:
        example = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(example, dict):
        raise ValueError("it is no JSON object")
    if not pairs:
        return _checked(example.get("messages"), "messages")
    question = example.get("input")
    if isinstance(question, dict):
        parts = {"input.messages": question.get("messages")}
        parts |= {name: example.get(name) for name in ("preferred_output", "non_preferred_output")}
    else:
        parts = {name: example.get(name) for name in ("prompt", "chosen", "rejected")}
    return [message for name, part in parts.items() for message in _checked(part, name)]


def _checked(messages: object, name: str) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not messages:
        raise ValueError(f"it needs '{name}', a list of messages")
    for place, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise ValueError(f"{name}[{place}].role is {str(role)[:40]!r}: it must be one of {', '.join(_ROLES)}")
    return messages
