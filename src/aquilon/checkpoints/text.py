"""A checkpoint's tokenizer and chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.text.gguf_vocabulary import size_and_unused
from aquilon.text.huggingface import templates_from_folder
from aquilon.text.model import TextModel
from aquilon.text.subword import SubwordTokenizer
from aquilon.text.template import JinjaTemplate
from aquilon.text.tokenizer import TokenizerError


def load_text(checkpoint: Checkpoint) -> TextModel:
    """Load them from GGUF's metadata, else from the files beside the weights. Raises TokenizerError.

    An adapter has its base's, or a chat template of its own.
    """
    if checkpoint.base is not None:
        text, templates = load_text(checkpoint.base), templates_from_folder(checkpoint.path)
        if templates and isinstance(text.tokenizer, SubwordTokenizer):
            return replace(text, template=JinjaTemplate(templates, text.tokenizer))
        return text
    rows = checkpoint.architecture.vocab_size
    if checkpoint.format == "gguf":
        return TextModel.from_gguf(checkpoint.metadata, rows=rows)
    return TextModel.from_folder(checkpoint.path, rows=rows)


def known_tokens(checkpoint: Checkpoint) -> tuple[int, Sequence[int]]:
    """The vocabulary's size, which may be less than the weights' rows, and its unused ids.

    A checkpoint without a vocabulary has a token for each row. For GGUF this is quick: its vocabulary is read already.
    """
    rows = checkpoint.architecture.vocab_size
    try:
        if checkpoint.format == "gguf":
            size, unused = size_and_unused(checkpoint.metadata)
        else:
            tokenizer = load_text(checkpoint).tokenizer
            size, unused = tokenizer.vocab_size, sorted(tokenizer.unused_ids)
    except TokenizerError:  # requests in token ids need no tokenizer
        return rows, ()
    return min(size, rows), [token_id for token_id in unused if token_id < rows]
