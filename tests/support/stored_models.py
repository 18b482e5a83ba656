"""Models in the store of a home, pulled there from a folder as the program does it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.support.prepared import forking
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore


def store_model(models: Path, name: str, checkpoint: dict[str, bytes] | None = None) -> None:
    """Pull a checkpoint, by default the tiny one, into the store in the folder ``models``."""
    with forking(), tempfile.TemporaryDirectory() as folder:
        pull(str(write_checkpoint(Path(folder), checkpoint or tiny_checkpoint())), ModelStore(models), name=name)
