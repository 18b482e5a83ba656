"""A checkpoint's tokenizer and chat template, written in either format."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.text.gguf_vocabulary_writing import vocabulary_from_folder
from aquilon.text.huggingface import templates_from_folder
from aquilon.text.huggingface_writing import write_tokenizer

_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "tekken.json",
)
_FOLDER = "additional_chat_templates"


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy the tokenizer's files and the chat templates of a folder that is laid out as transformers does."""
    names = [name for name in _FILES if (source / name).is_file()]
    names += [path.name for path in source.glob("tokenizer.model*") if path.is_file()]
    for name in names:
        shutil.copyfile(source / name, folder / name)
    if (source / _FOLDER).is_dir():
        shutil.copytree(source / _FOLDER, folder / _FOLDER)


def write_text(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the checkpoint's tokenizer and chat templates as Hugging Face's files. Raises TokenizerError."""
    if checkpoint.base is not None:
        write_text(checkpoint.base, folder)
        if template := templates_from_folder(checkpoint.path).get("default"):
            (folder / "chat_template.jinja").write_text(template, "utf-8")
    elif checkpoint.format == "gguf":
        write_tokenizer(checkpoint.metadata, folder, rows=checkpoint.architecture.vocab_size)
    else:
        copy_tokenizer(checkpoint.path, folder)


def gguf_vocabulary(checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint's tokenizer and chat templates as a GGUF file's metadata. Raises TokenizerError."""
    if checkpoint.base is not None:
        template = templates_from_folder(checkpoint.path).get("default")
        return gguf_vocabulary(checkpoint.base) | ({"tokenizer.chat_template": template} if template else {})
    if checkpoint.format == "gguf":
        return {key: value for key, value in checkpoint.metadata.items() if key.startswith("tokenizer.")}
    return vocabulary_from_folder(checkpoint.path, rows=checkpoint.architecture.vocab_size)
