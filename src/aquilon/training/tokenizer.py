"""Trains a byte-level BPE tokenizer, written as Hugging Face's ``tokenizer.json``.

Any text can be encoded: the vocabulary holds each byte. Words are cut by Qwen 2's rule, which ``tokenizers``
and llama.cpp apply alike. Tekken's they don't: llama.cpp takes a capital with an accent for a small letter too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from aquilon.text.pretokenizers import byte_level_words, word_rule
from aquilon.training.chat_template import CHAT_TEMPLATE, END_OF_TURN, TURN

WORDS = "qwen2"
"""The rule that cuts text into words, by the name that GGUF files give it."""

END_OF_DOCUMENT = "<|endoftext|>"
CONTROLS = (
    END_OF_DOCUMENT,
    TURN,
    END_OF_TURN,
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
)
"""Tokens that steer a model; plain text is never encoded to one."""

MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
"""Tokens that are also text: an answer that holds one is read with it."""

LEAST_VOCABULARY = 256 + len(CONTROLS) + len(MARKS)
_MOST_RESERVED = 64
_LONGEST_TOKEN = 64


def special_tokens(vocab_size: int) -> list[str]:
    """The tokens that aren't learnt, from id 0: CONTROLS, MARKS, and reserved ones for later uses, 1 in 128."""
    reserved = min(_MOST_RESERVED, vocab_size // 128)
    return [*CONTROLS, *MARKS, *(f"<|reserved_{number}|>" for number in range(reserved))]


def train_tokenizer(texts: Iterator[str], vocab_size: int, out: Path) -> tokenizers.Tokenizer:
    """Learn at most ``vocab_size`` tokens from texts, and write tokenizer, configuration and chat template to ``out``.

    Raises ValueError for a vocabulary without room for the bytes.
    """
    special = special_tokens(vocab_size)
    if vocab_size < 256 + len(special):
        raise ValueError(f"a vocabulary needs at least {256 + len(special)} tokens: {vocab_size} were asked for")
    pipeline = tokenizers.Tokenizer(models.BPE(ignore_merges=word_rule(WORDS).whole_words))
    pipeline.pre_tokenizer = byte_level_words(word_rule(WORDS))
    pipeline.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, normalized=False, special=True) for token in special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=_LONGEST_TOKEN,
        show_progress=False,
    )
    pipeline.train_from_iterator(texts, trainer)
    pipeline = _with_marks(pipeline)
    out.mkdir(parents=True, exist_ok=True)
    pipeline.save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(json.dumps(_configuration(), indent=2) + "\n")
    (out / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return pipeline


def _with_marks(pipeline: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """MARKS are text too; the trainer makes every token that it is given a control token."""
    state = json.loads(pipeline.to_str())
    for token in state["added_tokens"]:
        token["special"] = token["content"] not in MARKS
    return tokenizers.Tokenizer.from_str(json.dumps(state, ensure_ascii=False))


def _configuration() -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_DOCUMENT,
    }
