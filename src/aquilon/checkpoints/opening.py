"""Open any checkpoint by looking at what it is, without torch and without reading weights."""

from __future__ import annotations

from pathlib import Path

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.gguf_model import open_gguf
from aquilon.checkpoints.tensors import CheckpointError, TensorEntry

__all__ = ["Checkpoint", "CheckpointError", "TensorEntry", "open_checkpoint"]


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a GGUF file, or a folder with one.

    Raises CheckpointError naming the file that is missing or damaged, and
    UnsupportedArchitecture for a model that this program doesn't compute.
    """
    path = Path(path)
    if path.is_file():
        return open_gguf(path)
    if not path.is_dir():
        raise CheckpointError(path, "does not exist")
    files = sorted(path.glob("*.gguf"))
    if not files:
        raise CheckpointError(path, "holds no model")
    return open_gguf(files[0])
