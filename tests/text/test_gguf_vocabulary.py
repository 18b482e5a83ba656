"""The vocabularies that GGUF files carry, against transformers' reader, llama.cpp's and SentencePiece itself."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from tests.support.llama_cpp import LlamaCppTokenizer
from tests.support.multilingual import texts
from tests.support.vocabulary_files import MISTRAL_DATA, first_tokens, write_vocabulary
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from aquilon.text.gguf_vocabulary import size_and_unused, tokenizer_from_gguf
from aquilon.text.messages import Message
from aquilon.text.subword import SubwordTokenizer
from aquilon.text.template import JinjaTemplate
from aquilon.text.tokenizer import TokenizerError

CORPUS = texts(400, seed=1)
_NUMERALS = "".join(character for character in map(chr, range(0x110000)) if unicodedata.category(character)[0] == "N")
_SPACES_BEFORE_A_NUMBER = re.compile(rf"\s+(?=[{_NUMERALS}])")


def _transformers(path: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


def test_the_default_vocabulary_encodes_as_llama_cpp_does(
    default_tokenizer: SubwordTokenizer, default_model_file: Path
) -> None:
    llama_cpp = LlamaCppTokenizer(default_model_file)
    for text in CORPUS:
        assert default_tokenizer.encode(text, add_special=False) == llama_cpp.encode(text), repr(text)


@pytest.mark.slow
def test_the_default_vocabulary_encodes_as_transformers_does_but_for_numbers_after_spaces(
    default_tokenizer: SubwordTokenizer, default_reference: PreTrainedTokenizerBase
) -> None:
    """There llama.cpp is followed: transformers does not know this file's rule, 'smollm', and falls back to GPT-2's,

    while llama.cpp cuts at each digit first, as the model's own ``tokenizer.json`` does.
    """
    for text in CORPUS:
        text = _SPACES_BEFORE_A_NUMBER.sub("", text)
        assert default_tokenizer.encode(text, add_special=False) == _ids(default_reference, text), repr(text)
    assert default_tokenizer.encode("in  3", add_special=False) != _ids(default_reference, "in  3")


@pytest.mark.parametrize("rule", ["llama-bpe", "qwen2", "tekken", "gpt-2"])
def test_every_familys_words_are_cut_as_transformers_and_llama_cpp_cut_them(
    rule: str, default_metadata: dict[str, Any], tmp_path: Path
) -> None:
    metadata = {**first_tokens(default_metadata, 6000), "tokenizer.ggml.pre": rule}
    path = write_vocabulary(tmp_path / "model.gguf", metadata)
    ours, transformers, llama_cpp = tokenizer_from_gguf(metadata), _transformers(path), LlamaCppTokenizer(path)
    for text in CORPUS[:150]:
        assert ours.encode(text, add_special=False) == _ids(transformers, text) == llama_cpp.encode(text), repr(text)


@pytest.mark.parametrize("rule", ["default", "gpt-4o", "qwen35", "deepseek-v3", "smollm"])
def test_words_are_cut_as_llama_cpp_cuts_them(rule: str, default_metadata: dict[str, Any], tmp_path: Path) -> None:
    metadata = {**first_tokens(default_metadata, 6000), "tokenizer.ggml.pre": rule}
    llama_cpp = LlamaCppTokenizer(write_vocabulary(tmp_path / "model.gguf", metadata))
    ours = tokenizer_from_gguf(metadata)
    for text in CORPUS[:100]:
        assert ours.encode(text, add_special=False) == llama_cpp.encode(text), repr(text)


@pytest.mark.slow
def test_a_sentencepiece_vocabulary_encodes_as_llama_cpp_transformers_and_sentencepiece_do(
    sentencepiece_tokenizer: SubwordTokenizer, mistral_metadata: dict[str, Any], tmp_path: Path
) -> None:
    """Of a text that begins with a space transformers drops one, against SentencePiece: there it is not followed."""
    path = write_vocabulary(tmp_path / "model.gguf", mistral_metadata)
    transformers, llama_cpp = _transformers(path), LlamaCppTokenizer(path)
    original = sentencepiece.SentencePieceProcessor()
    original.Load(str(MISTRAL_DATA / "mistral_instruct_tokenizer_240323.model.v3"))
    for text in CORPUS:
        ids = sentencepiece_tokenizer.encode(text, add_special=False)
        assert ids == llama_cpp.encode(text) == original.encode(text), repr(text)
        if not text.startswith((" ", "▁")):
            assert ids == _ids(transformers, text), repr(text)


def test_sentencepiece_text_begins_with_bos_and_keeps_its_own_leading_spaces(
    sentencepiece_tokenizer: SubwordTokenizer,
) -> None:
    assert sentencepiece_tokenizer.encode("a")[0] == sentencepiece_tokenizer.bos_id == 1
    for text in ("a", " a", "  a", "", " ", "a b\n c"):
        assert sentencepiece_tokenizer.decode(sentencepiece_tokenizer.encode(text)) == text


def test_user_defined_tokens_are_matched_whole_and_control_tokens_are_not(default_metadata: dict[str, Any]) -> None:
    tokenizer = tokenizer_from_gguf(with_tokens(default_metadata, ["<think>"], kind=4))
    ids = tokenizer.encode("a<think><|im_end|>")
    assert tokenizer.vocab_size - 1 in ids
    assert not any(map(tokenizer.is_control, ids))
    assert tokenizer.decode(ids) == "a<think><|im_end|>"


def test_the_tokens_that_end_an_answer_are_known(default_tokenizer: SubwordTokenizer) -> None:
    assert {default_tokenizer.token_text(token_id) for token_id in default_tokenizer.eos_ids} == {
        "<|im_end|>",
        "<|endoftext|>",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenizer.ggml.model": "bert"}, "of the kind 'bert'"),
        ({"tokenizer.ggml.pre": "klingon"}, "pre-tokenizer 'klingon'"),
        ({"tokenizer.ggml.pre": ["gpt-2"]}, "pre-tokenizer '['gpt-2']'"),
        ({"tokenizer.ggml.tokens": []}, "no vocabulary"),
        ({"tokenizer.ggml.token_type": [1]}, "1 token types"),
        ({"tokenizer.ggml.merges": ["ab"]}, "not a pair"),
        ({"tokenizer.ggml.merges": ["never seen"]}, "does not fit"),
        ({"tokenizer.ggml.merges": [1, 2]}, "not a list of the right kind"),
        ({"tokenizer.ggml.tokens": "abc"}, "not a list of the right kind"),
        ({"tokenizer.ggml.model": "llama"}, "0 scores"),
        ({"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": [0.0] * 49152}, "byte 0x00"),
    ],
)
def test_a_damaged_vocabulary_is_refused_with_what_is_wrong(
    change: dict[str, Any], message: str, default_metadata: dict[str, Any]
) -> None:
    with pytest.raises(TokenizerError, match=re.escape(message)):
        tokenizer_from_gguf({**default_metadata, **change})


def test_the_longest_of_tokens_with_a_common_beginning_matches(default_metadata: dict[str, Any]) -> None:
    nested = ["<" * length for length in range(2, 200)]
    tokenizer = tokenizer_from_gguf(with_tokens(default_metadata, nested, kind=4))
    ids = tokenizer.encode("<" * 199 + "<<<", add_special=False)
    assert [tokenizer.token_text(token_id) for token_id in ids] == ["<" * 199, "<" * 3]


def test_text_never_becomes_a_control_token_of_one_character(default_metadata: dict[str, Any]) -> None:
    tokenizer = tokenizer_from_gguf(with_tokens(default_metadata, ["字"], kind=3))
    ids = JinjaTemplate("{{ messages[0].content }}", tokenizer).encode([Message("user", "a字")])
    assert not any(map(tokenizer.is_control, ids))
    assert tokenizer.decode(ids) == "a字"


def test_far_too_many_special_tokens_are_refused(default_metadata: dict[str, Any]) -> None:
    with pytest.raises(TokenizerError, match="too many"):
        tokenizer_from_gguf(with_tokens(default_metadata, [f"<{index:0200}>" for index in range(1500)], kind=3))


def with_tokens(metadata: dict[str, Any], tokens: list[str], kind: int) -> dict[str, Any]:
    return {
        **metadata,
        "tokenizer.ggml.tokens": [*metadata["tokenizer.ggml.tokens"], *tokens],
        "tokenizer.ggml.token_type": [*metadata["tokenizer.ggml.token_type"], *[kind] * len(tokens)],
    }


def test_tokens_that_fill_up_a_vocabulary_are_unused(default_metadata: dict[str, Any]) -> None:
    metadata = with_tokens(default_metadata, ["[PAD49152]", "[PAD49153]"], kind=5)
    assert size_and_unused(metadata) == (49154, [49152, 49153])
    assert tokenizer_from_gguf(metadata).unused_ids == {49152, 49153}
    assert tokenizer_from_gguf(metadata, rows=60000).vocab_size == 49154


def test_control_tokens_beyond_the_weights_are_text(default_metadata: dict[str, Any]) -> None:
    metadata = with_tokens(default_metadata, ["<image>"], kind=3)
    tokenizer = tokenizer_from_gguf(metadata, rows=49152)
    assert tokenizer.vocab_size == 49152
    assert "<image>" not in tokenizer.control_tokens
    assert max(tokenizer.encode("an <image>")) < 49152
    with pytest.raises(ValueError, match="'<image>' is token 49152"):
        tokenizer.encode("an <image>", parse_special=True)
    with pytest.raises(TokenizerError, match="tokens up to 49152"):
        tokenizer_from_gguf(with_tokens(default_metadata, ["word"], kind=1), rows=49152)
