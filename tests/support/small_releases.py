"""A small model with a tokenizer, as a training run releases it."""

from __future__ import annotations

from pathlib import Path

from tests.support.random_transformers import random_architecture, random_transformer

from aquilon.checkpoints.hugging_face_writing import write_hugging_face
from aquilon.checkpoints.text_writing import copy_tokenizer
from aquilon.checkpoints.weights import unfused
from aquilon.models.architecture import Architecture
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.training.tokenizer import train_tokenizer

_TEXT = (
    "La mer monte et descend deux fois par jour, et les bateaux attendent au port. "
    "The sea rises and falls twice a day, and the boats wait in the harbour. "
    "Das Meer steigt und fällt zweimal am Tag, und die Boote warten im Hafen. "
)

SHAPES: dict[str, dict[str, object]] = {
    "qwen3": {"qk_norm": True},
    "qwen2": {"attention_bias": True, "tied_embeddings": False},
    "llama": {},
}


def small_tokenizer(folder: Path) -> Path:
    train_tokenizer(iter([_TEXT] * 4), 400, folder)
    return folder


def small_architecture(family: str, vocab_size: int) -> Architecture:
    return random_architecture(
        family=family, vocab_size=vocab_size, head_dim=16, intermediate_size=128, max_context=256, **SHAPES[family]
    )


def small_release(family: str, tokenizer: Path, folder: Path, *, padding: int = 0) -> Path:
    """A folder with bf16 weights, which are random and far enough apart that each token has a clear successor.

    ``padding`` adds rows of weights without a token.
    """
    text = tokenizer_from_folder(tokenizer)
    architecture = small_architecture(family, text.vocab_size + padding)
    weights = unfused(random_transformer(architecture).state_dict(), architecture)
    write_hugging_face(folder, architecture, weights.__getitem__, eos_ids={0, 2})
    copy_tokenizer(tokenizer, folder)
    return folder
