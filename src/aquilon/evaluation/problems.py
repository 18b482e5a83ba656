"""The questions of a task's file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from aquilon.evaluation.answers import expected_answers
from aquilon.evaluation.tasks import ChoiceTask, CodeTask, QuestionTask
from aquilon.training.data.documents import MAX_LINE_BYTES, UnreadableSource

_MOST_CHOICES = 100


@dataclass(frozen=True)
class Problem:
    """One question; ``number`` counts the file's lines from 1."""

    number: int
    question: str
    expected: tuple[str, ...]
    """The right answers: texts, numbers in Python's notation, or the position of a choice."""
    choices: tuple[str, ...] = ()
    test: str = ""
    """Python that defines ``check``, which raises an error for a wrong function."""
    entry_point: str = ""
    """The function's name."""


def read_problems(task: QuestionTask, limit: int | None = None) -> list[Problem]:
    """The questions, or at most ``limit`` from all over the file: many begin with easy ones.

    Raises UnreadableSource, which names the line.
    """
    path = Path(task.data)
    problems = []
    for number, fields in _spread(path, limit):
        try:
            problems.append(_problem(task, number, fields))
        except ValueError as error:
            raise UnreadableSource(path, str(error), line=number) from None
    if not problems:
        raise UnreadableSource(path, "holds no question")
    return problems


def fields_of(path: Path) -> dict[str, Any]:
    """The fields of the first question, which tell what kind of task it is. Raises UnreadableSource."""
    for _, fields in _lines(path):
        return fields
    raise UnreadableSource(path, "holds no question")


def _spread(path: Path, limit: int | None) -> Iterator[tuple[int, dict[str, Any]]]:
    if limit is None:
        yield from _lines(path)
        return
    total = sum(1 for _ in _lines(path))
    most = min(limit, total)
    chosen = {place * total // most for place in range(most)}
    yield from (line for place, line in enumerate(_lines(path)) if place in chosen)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                if len(line) == MAX_LINE_BYTES:
                    raise UnreadableSource(path, f"the line is longer than {MAX_LINE_BYTES // 2**20} MiB", line=number)
                if line.isspace():
                    continue
                yield number, _row(path, number, line) if path.suffix == ".tsv" else _object(path, number, line)
    except OSError as error:
        raise UnreadableSource(path, f"can't be read: {error.strerror or error}") from None


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        question, tab, answer = line.decode("utf-8-sig").strip().rpartition("\t")
    except UnicodeDecodeError as error:
        raise UnreadableSource(path, f"is not UTF-8: {error.reason}", line=number) from None
    if not tab:
        raise UnreadableSource(path, "has no tab: a line is question, tab, answer", line=number)
    return {"question": question, "answer": answer}


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableSource(path, f"is no JSON: {error}", line=number) from None
    if not isinstance(fields, dict):
        raise UnreadableSource(path, 'is no JSON object: a line is {"question": …, "answer": …}', line=number)
    return fields


def _problem(task: QuestionTask, number: int, fields: dict[str, Any]) -> Problem:
    if isinstance(task, CodeTask):
        prompt, test, name = (_text(fields, field) for field in ("prompt", "test", "entry_point"))
        if not name.isidentifier():
            raise ValueError(f"entry_point is {name[:40]!r}: it must be a function's name")
        return Problem(number, prompt, ("passes",), test=test, entry_point=name)
    question = _text(fields, "question")
    if isinstance(task, ChoiceTask):
        choices = fields.get("choices")
        if not isinstance(choices, list) or not 2 <= len(choices) <= _MOST_CHOICES or not all(map(_is_text, choices)):
            raise ValueError(f"'choices' must be a list of 2 to {_MOST_CHOICES} texts")
        return Problem(number, question, (str(_right(fields.get("answer"), choices)),), tuple(choices))
    answers = fields.get("answer")
    answers = answers if isinstance(answers, list) else [answers]
    texts = [str(answer) for answer in answers if isinstance(answer, (str, int, float)) and str(answer).strip()]
    if not texts or len(texts) < len(answers):
        raise ValueError("'answer' must be a text, a number, or a list of these")
    return Problem(number, question, tuple(expected_answers(task, texts)))


def _right(answer: object, choices: list[str]) -> int:
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(choices):
        return answer
    if isinstance(answer, str) and answer in choices:
        return choices.index(answer)
    raise ValueError(
        f"'answer' is {answer!r}: it must be one of the choices, or its number from 0 to {len(choices) - 1}"
    )


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not _is_text(value):
        others = ", ".join(map(str, list(fields)[:8])) or "none"
        raise ValueError(f"has no text in its field {name!r}; its fields are {others}")
    return str(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
