"""Tokenizers between GGUF's metadata and Hugging Face's files: the same tokens either way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.small_releases import small_tokenizer
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoTokenizer

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.checkpoints.text_writing import write_text
from aquilon.text.gguf_vocabulary_writing import vocabulary_from_folder
from aquilon.text.huggingface_writing import write_tokenizer
from aquilon.text.model import TextModel
from aquilon.text.pretokenizers import WORD_RULES, byte_level_words, patterns_of, rules_with
from aquilon.text.tokenizer import TokenizerError

SAMPLES = ("L'été dernier, 1234 bateaux…\n\n  attendaient", "<|im_start|>user\nHi<|im_end|>", "don't 你好 😀\t x=1;")


def test_the_default_model_s_tokenizer_works_in_transformers(default_model_file: Path, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(default_model_file)
    write_text(checkpoint, tmp_path)
    ours, theirs = load_text(checkpoint), AutoTokenizer.from_pretrained(tmp_path)
    for sample in SAMPLES:
        assert theirs.encode(sample) == ours.tokenizer.encode(sample, parse_special=True)
    assert theirs.eos_token_id in ours.tokenizer.eos_ids
    messages = [{"role": "user", "content": "Hi"}]
    rendered = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert rendered.startswith("<|im_start|>")
    again = vocabulary_from_folder(tmp_path, rows=checkpoint.architecture.vocab_size)
    for key in ("pre", "merges", "tokens", "token_type", "eos_token_id", "add_bos_token"):
        assert again[f"tokenizer.ggml.{key}"] == checkpoint.metadata.get(
            f"tokenizer.ggml.{key}", again[f"tokenizer.ggml.{key}"]
        )


@pytest.mark.parametrize("name", [name for name in WORD_RULES if name != "default"])
def test_each_rule_for_words_is_recognised_in_a_tokenizer_json(name: str) -> None:
    state = json.loads(byte_level_words(WORD_RULES[name]).__getstate__())
    patterns = patterns_of(state)
    assert patterns == WORD_RULES[name].patterns
    assert name in rules_with(patterns)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpt-2", pre_tokenizers.ByteLevel(add_prefix_space=False)),
        (
            "smollm",
            pre_tokenizers.Sequence(
                [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
            ),
        ),
    ],
)
def test_a_rule_that_is_written_otherwise_is_recognised(name: str, words: Any) -> None:
    patterns = patterns_of(json.loads(words.__getstate__()))
    assert patterns is not None
    assert next(iter(rules_with(patterns))) == name


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_a_tokenizer_stays_the_same_through_a_gguf_file_and_back(tokenizer: Path, tmp_path: Path) -> None:
    metadata = vocabulary_from_folder(tokenizer, rows=450)
    write_tokenizer(metadata, tmp_path, rows=450)
    original, back = TextModel.from_folder(tokenizer), TextModel.from_folder(tmp_path)
    through = TextModel.from_gguf(metadata, rows=450)
    for sample in SAMPLES:
        ids = original.tokenizer.encode(sample)
        assert ids == through.tokenizer.encode(sample) == back.tokenizer.encode(sample)
    assert (tmp_path / "chat_template.jinja").read_text() == (tokenizer / "chat_template.jinja").read_text()


def test_words_cut_by_an_unknown_rule_are_refused_with_the_rule(tokenizer: Path, tmp_path: Path) -> None:
    pipeline = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    pipeline.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokenizerError, match=r"no name for.*Whitespace"):
        vocabulary_from_folder(tmp_path, rows=450)


def test_a_vocabulary_that_is_not_byte_level_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="'llama': only byte-level BPE"):
        write_tokenizer({"tokenizer.ggml.model": "llama"}, tmp_path, rows=4)
