"""What a model is measured by: each task is a value that says everything about it but the model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec


class TextFile(msgspec.Struct, frozen=True, kw_only=True):
    """Text to predict: a file or folder of documents."""

    path: str
    language: str | None = None
    """ISO 639-1."""


class TextTask(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="bpb"):
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
    """At most so much of each file, in whole documents; None takes all."""


Task = TextTask


def task_sha256(task: Task, data: dict[str, str]) -> str:
    """Identifies what was asked: the task without the places of its files, and the content of these.

    ``data``: the SHA-256 of each file by its path.
    """
    digest = hashlib.sha256()
    fields = msgspec.to_builtins(task)
    if isinstance(task, TextTask):
        fields["files"] = [file.language for file in task.files]
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
