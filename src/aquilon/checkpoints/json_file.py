"""JSON files beside the weights, read up to a size limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aquilon.checkpoints.tensors import CheckpointError

MAX_JSON_BYTES = 64 * 2**20


def parse_object(path: Path, text: bytes, what: str) -> dict[str, Any]:
    """A JSON object; raises CheckpointError, which names ``what`` in the file at ``path``, for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(path, f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(path, f"{what} is not a JSON object")
    return value


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds; raises CheckpointError."""
    try:
        with path.open("rb") as opened:
            text = opened.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise CheckpointError(path, f"can't be read: {error.strerror or error}") from error
    if len(text) > MAX_JSON_BYTES:
        raise CheckpointError(path, f"is larger than {MAX_JSON_BYTES} bytes")
    return parse_object(path, text, "its content")
