"""Text and a tokenizer for tiny training runs."""

from __future__ import annotations

import random
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from aquilon.training.tokenizer import train_tokenizer

_WORDS = (
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "saw",
    "that",
    "it",
    "was",
    "raining",
    "over",
    "Montréal",
    "in",
    "May",
)


def write_corpus(path: Path, *, words: int = 30_000, seed: int = 1) -> Path:
    """Lines of words, some more often than others, so that there is something to learn."""
    chosen = random.Random(seed).choices(_WORDS, weights=range(len(_WORDS), 0, -1), k=words)
    path.write_text("\n".join(" ".join(chosen[start : start + 12]) for start in range(0, words, 12)))
    return path


def write_tokenizer(folder: Path, *, vocab_size: int = 300) -> Path:
    train_tokenizer(iter([" ".join(_WORDS * 20)]), vocab_size, folder)
    return folder


def write_byte_tokenizer(folder: Path) -> Path:
    """A token for each byte, and one that ends a document: the same whatever trains tokenizers."""
    names = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pipeline = tokenizers.Tokenizer(models.BPE(vocab={name: number for number, name in enumerate(names)}, merges=[]))
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pipeline.decoder = decoders.ByteLevel()
    pipeline.add_special_tokens(names[:1])
    folder.mkdir(parents=True)
    pipeline.save(str(folder / "tokenizer.json"))
    return folder
