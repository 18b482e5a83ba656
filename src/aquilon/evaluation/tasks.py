"""What a model is measured by: each task is a value that says everything about it but the model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec


class TextFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Text to predict: a file or folder of documents."""

    path: str
    language: str | None = None
    """ISO 639-1."""


class TextTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="bpb"):
    """Bits per byte: how well a model predicts text, whatever its vocabulary.

    A document that is longer than a window is predicted in several. Each window begins ``overlap`` before the
    former's end, and only what follows is counted, so that each token is counted once.
    """

    name: str = "bpb"
    files: list[TextFile]
    window: int | None = None
    """Tokens; None: the model's context, at most 2,048."""
    overlap: float = 0.5
    """Share of a window that is context for the rest."""
    bytes: int | None = None
    """At most so much of each file: the last document is cut there, between two characters. None takes all."""


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question with its answer, shown before the question that is asked."""

    question: str
    answer: str


class ChoiceTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="choice"):
    """Multiple choice by log-likelihood: the answer is the choice that the model finds the likeliest text.

    Lines of data: ``{"question": …, "choices": […], "answer": …}``, the answer being a number from 0 or the text of a
    choice.
    """

    name: str
    data: str
    """A JSONL file."""
    language: str | None = None
    instruction: str = ""
    """Text before everything else."""
    prompt: str = "{question}"
    answer: str = " {answer}"
    """How a choice follows the prompt."""
    separator: str = "\n\n"
    """Between the instruction, the examples and the question."""
    examples: list[Example] = []


class AnswerTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="answer"):
    """Answers that the model writes, right if what is taken out of them equals what is expected.

    Lines of data: ``{"question": …, "answer": …}``, or in a ``.tsv`` file question, tab, answer. Several right
    answers are a list. In GSM8K's way, of an answer with ``####`` only what follows it is expected.
    """

    name: str
    data: str
    language: str | None = None
    """Also says how numbers are written, see `evaluation.numbers`."""
    instruction: str = ""
    prompt: str = "{question}"
    answer: str = " {answer}"
    """How an example's answer follows the prompt in plain text. In a chat it is a message without this."""
    separator: str = "\n\n"
    examples: list[Example] = []
    match: Literal["number", "text"] = "number"
    """``number``: the last number after a marker, or else the last one. ``text``: what follows the last marker on its
    line, or else the last line; upper case and punctuation at the ends don't count."""
    markers: tuple[str, ...] = ("####",)
    """Texts that the answer follows, such as ``The answer is``."""
    expected_language: str | None = None
    """How the numbers in the data are written, if not in the task's language."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer in plain text."""
    max_tokens: int = 512


class CodeTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="code"):
    """Python functions that the model completes, right if their tests pass, see `evaluation.sandbox`.

    Lines of data as HumanEval's: ``{"task_id": …, "prompt": …, "entry_point": …, "test": …}``.
    """

    name: str
    data: str
    language: str | None = None
    instruction: str = "Complete this Python function. Answer with the whole function in one block of code."
    """Only in a chat."""
    stop: tuple[str, ...] = ("\nclass ", "\ndef ", "\n#", "\nif __name__", "\nprint(", "\nassert ", "\n```")
    """Texts that end the function in plain text."""
    max_tokens: int = 512
    seconds: int = 10
    """Of processor time for a program, and three times as many in all."""
    memory: int = 512 * 2**20
    """Bytes of memory."""


QuestionTask = ChoiceTask | AnswerTask | CodeTask
Task = TextTask | QuestionTask


def task_sha256(task: Task, data: dict[str, str]) -> str:
    """Identifies what was asked: the task without the places of its files, and the content of these.

    ``data``: the SHA-256 of each file by its path.
    """
    digest = hashlib.sha256()
    fields = msgspec.to_builtins(task)
    if isinstance(task, TextTask):
        fields["files"] = [file.language for file in task.files]
    else:
        del fields["data"]
    digest.update(msgspec.json.encode(fields, order="sorted"))
    for sha256 in data.values():
        digest.update(sha256.encode())
    return digest.hexdigest()


def file_sha256s(paths: list[Path]) -> dict[str, str]:
    hashes = {}
    for path in paths:
        with path.open("rb") as file:
            hashes[str(path)] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
