"""A model's text side in one value: its tokenizer and its chat template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aquilon.text.gguf_vocabulary import tokenizer_from_gguf
from aquilon.text.huggingface import templates_from_folder, tokenizer_from_folder
from aquilon.text.mistral import load_mistral, mistral_file
from aquilon.text.template import ChatTemplate, JinjaTemplate
from aquilon.text.tokenizer import Tokenizer, TokenizerError


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
            if isinstance(source, str) and (key + ".").startswith("tokenizer.chat_template.")
        }
        return cls(tokenizer, JinjaTemplate(templates, tokenizer) if templates else None)

    @classmethod
    def from_folder(cls, folder: Path) -> TextModel:
        """From a folder of files: Mistral's own tokenizer where there is one, else Hugging Face's.

        Raises TokenizerError.
        """
        vendor = mistral_file(folder)
        if vendor is not None:
            return cls(*load_mistral(vendor))
        if not (folder / "tokenizer.json").is_file():
            raise TokenizerError(
                f"{folder} holds no tokenizer: neither tokenizer.json, nor Mistral's tekken.json or tokenizer.model.v*"
            )
        tokenizer = tokenizer_from_folder(folder)
        templates = templates_from_folder(folder)
        return cls(tokenizer, JinjaTemplate(templates, tokenizer) if templates else None)
