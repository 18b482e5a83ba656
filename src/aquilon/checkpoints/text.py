"""A checkpoint's tokenizer and chat template."""

from __future__ import annotations

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.text.model import TextModel


def load_text(checkpoint: Checkpoint) -> TextModel:
    """Out of GGUF's own metadata, else from the files beside the weights."""
    if checkpoint.format == "gguf":
        return TextModel.from_gguf(checkpoint.metadata)
    return TextModel.from_folder(checkpoint.path)
