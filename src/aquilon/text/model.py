"""A model's text side in one value: its tokenizer and its chat template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aquilon.text.gguf_vocabulary import tokenizer_from_gguf
from aquilon.text.template import ChatTemplate, JinjaTemplate
from aquilon.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class TextModel:
    """What turns conversations into token ids for a model, and its token ids into text."""

    tokenizer: Tokenizer
    template: ChatTemplate | None
    """None for a model that only continues text."""

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, Any]) -> TextModel:
        """From a GGUF file's key-value pairs (``tokenizer.*``). Raises TokenizerError."""
        tokenizer = tokenizer_from_gguf(metadata)
        templates = {
            key.removeprefix("tokenizer.chat_template").removeprefix(".") or "default": source
            for key, source in metadata.items()
            if key == "tokenizer.chat_template" or key.startswith("tokenizer.chat_template.")
        }
        return cls(tokenizer, JinjaTemplate(templates, tokenizer) if templates else None)
