"""The model that a fine-tuning begins with, without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.models.architecture import UnsupportedArchitecture
from aquilon.text.model import TextModel
from aquilon.training.conversations.encoding import ChatEncoder, Document
from aquilon.training.conversations.lines import UnusableLine
from aquilon.training.protocol import UnusableJob

_LONGEST = 4096
"""The longest conversation where the job names no context: longer ones take much memory."""


@dataclass(frozen=True)
class Base:
    checkpoint: Checkpoint
    text: TextModel
    encoder: ChatEncoder
    context: int
    """Tokens of the longest conversation."""

    def require_fit(self, document: Document) -> None:
        """Raises UnusableLine for a document that is longer than the context."""
        if len(document.ids) > self.context:
            raise UnusableLine(
                f"the conversation has {len(document.ids):,} tokens, and the context holds {self.context:,}: shorten "
                "it, or give the job a larger context if the model has one"
            )


def open_base(model: Path, *, context: int | None) -> Base:
    """Raises UnusableJob for a model that can't be read, or has no chat template, or another model's tokenizer."""
    try:
        checkpoint = open_checkpoint(model)
        text = load_text(checkpoint)
        encoder = ChatEncoder(text, checkpoint.eos_ids)
    except (UnsupportedArchitecture, ValueError) as error:
        where = "" if str(model) in str(error) else f"{model}: "
        raise UnusableJob(f"model: {where}{error}") from None
    longest = checkpoint.architecture.max_context
    if context is not None and context > longest:
        raise UnusableJob(f"context is {context}: the model's context holds {longest} tokens")
    return Base(checkpoint, text, encoder, context or min(_LONGEST, longest))
