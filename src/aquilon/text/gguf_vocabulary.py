"""Reads the vocabulary in a GGUF file's metadata (keys ``tokenizer.ggml.*``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from types import UnionType
from typing import Any

import tokenizers

from aquilon.text import sentencepiece
from aquilon.text.added_tokens import AddedToken
from aquilon.text.pretokenizers import byte_level_words, word_rule
from aquilon.text.spelling import byte_level_bytes, sentencepiece_bytes
from aquilon.text.subword import SpecialTokens, SubwordTokenizer, merging_model
from aquilon.text.tokenizer import TokenizerError


class TokenType(IntEnum):
    """``tokenizer.ggml.token_type``, as the GGUF specification numbers it."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


_END_OF_TURN = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
)
"""Names of control tokens that end an answer; a file's metadata names only one of its end tokens."""


def tokenizer_from_gguf(metadata: Mapping[str, Any], *, rows: int | None = None) -> SubwordTokenizer:
    """The tokenizer that this metadata describes, for a model with ``rows`` rows of weights.

    Raises TokenizerError if it is damaged or of an unknown kind.
    """
    kind = metadata.get("tokenizer.ggml.model")
    if kind == "gpt2":
        return _byte_level(metadata, rows)
    if kind == "llama":
        return _sentencepiece(metadata, rows)
    raise TokenizerError(
        f"this file's vocabulary is of the kind '{kind}'; 'gpt2' (byte-level BPE) and 'llama' are supported"
    )


def _byte_level(metadata: Mapping[str, Any], rows: int | None) -> SubwordTokenizer:
    tokens = _tokens(metadata)
    types = _types(metadata, len(tokens))
    rule = word_rule(metadata.get("tokenizer.ggml.pre"))
    added = _added(tokens, types)
    controls = {token.id for token in added if token.control}
    vocab = {text: token_id for token_id, text in enumerate(tokens) if token_id not in controls}
    merges = [_pair(merge) for merge in _list(metadata, "tokenizer.ggml.merges", str)]
    model = merging_model(vocab, merges, whole_words=rule.whole_words)
    pipeline = tokenizers.Tokenizer(model)
    pipeline.pre_tokenizer = byte_level_words(rule)
    return SubwordTokenizer(
        first=pipeline,
        rest=pipeline,
        added=added,
        spelling=byte_level_bytes,
        vocab_size=len(tokens),
        special=_special(metadata, tokens, added, add_bos=rule.add_bos),
        unused_ids=_unused(types),
        rows=rows,
    )


def _sentencepiece(metadata: Mapping[str, Any], rows: int | None) -> SubwordTokenizer:
    tokens = _tokens(metadata)
    types = _types(metadata, len(tokens))
    scores = _list(metadata, "tokenizer.ggml.scores", float | int)
    if len(scores) != len(tokens):
        raise TokenizerError(f"this file has {len(tokens)} tokens and {len(scores)} scores")
    added = _added(tokens, types)
    controls = {token.id for token in added if token.control}
    add_space_prefix = bool(metadata.get("tokenizer.ggml.add_space_prefix", True))
    first, rest = sentencepiece.pipelines(
        {text: token_id for token_id, text in enumerate(tokens) if token_id not in controls},
        scores,
        unmergeable={token_id for token_id, kind in enumerate(types) if kind == TokenType.BYTE},
        add_space_prefix=add_space_prefix,
    )
    return SubwordTokenizer(
        first=first,
        rest=rest,
        added=added,
        spelling=sentencepiece_bytes,
        vocab_size=len(tokens),
        special=_special(metadata, tokens, added, add_bos=True),
        leading_space=add_space_prefix,
        unused_ids=_unused(types),
        rows=rows,
    )


def templates_from_metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The chat templates in this metadata by name (``default``, ``tool_use``, ...)."""
    return {
        key.removeprefix("tokenizer.chat_template").removeprefix(".") or "default": source
        for key, source in metadata.items()
        if isinstance(source, str) and (key + ".").startswith("tokenizer.chat_template.")
    }


def size_and_unused(metadata: Mapping[str, Any]) -> tuple[int, list[int]]:
    """The number of tokens in this metadata, and the unused ids. Raises TokenizerError if it has no tokens."""
    tokens = _tokens(metadata)
    return len(tokens), [*_unused(_types(metadata, len(tokens)))]


def _unused(types: Sequence[int]) -> Iterator[int]:
    """The ids that llama.cpp's converter adds so that each row of the weights has a token."""
    return (token_id for token_id, kind in enumerate(types) if kind == TokenType.UNUSED)


def _list(metadata: Mapping[str, Any], key: str, kind: type | UnionType) -> list[Any]:
    """A list in the metadata; empty if it is missing."""
    values = metadata.get(key)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
        raise TokenizerError(f"this file's {key} is not a list of the right kind")
    return values


def _tokens(metadata: Mapping[str, Any]) -> list[str]:
    tokens = _list(metadata, "tokenizer.ggml.tokens", str)
    if not tokens:
        raise TokenizerError("this file carries no vocabulary (tokenizer.ggml.tokens)")
    return tokens


def _types(metadata: Mapping[str, Any], count: int) -> list[int]:
    types = _list(metadata, "tokenizer.ggml.token_type", int)
    if types and len(types) != count:
        raise TokenizerError(f"this file has {count} tokens and {len(types)} token types")
    return types or [TokenType.NORMAL] * count


def _pair(merge: str) -> tuple[str, str]:
    left, separator, right = merge.partition(" ")
    if not separator:
        raise TokenizerError(f"the merge '{merge}' is not a pair of tokens")
    return left, right


def _added(tokens: Sequence[str], types: Sequence[int]) -> list[AddedToken]:
    controls = (TokenType.CONTROL, TokenType.UNKNOWN)
    return [
        AddedToken(token_id, text, control=kind in controls)
        for token_id, (text, kind) in enumerate(zip(tokens, types, strict=True))
        if text and (kind in controls or kind == TokenType.USER_DEFINED)
    ]


def _special(
    metadata: Mapping[str, Any], tokens: Sequence[str], added: Sequence[AddedToken], *, add_bos: bool
) -> SpecialTokens:
    # A SentencePiece file without these keys has Llama's ids: the vocabulary's second and third token.
    bos_default, eos_default = (1, 2) if metadata.get("tokenizer.ggml.model") == "llama" else (None, None)

    def named(key: str, default: int | None = None) -> int | None:
        token_id = metadata.get(f"tokenizer.ggml.{key}", default)
        return token_id if isinstance(token_id, int) and 0 <= token_id < len(tokens) else None

    ids = {
        "bos_token": named("bos_token_id", bos_default),
        "eos_token": named("eos_token_id", eos_default),
        "unk_token": named("unknown_token_id"),
        "pad_token": named("padding_token_id"),
    }
    ends = {ids["eos_token"], named("eot_token_id"), named("eom_token_id")}
    ends |= {token.id for token in added if token.control and token.text in _END_OF_TURN}
    return SpecialTokens(
        bos_id=ids["bos_token"],
        eos_id=ids["eos_token"],
        unk_id=ids["unk_token"],
        add_bos=bool(metadata.get("tokenizer.ggml.add_bos_token", add_bos)),
        add_eos=bool(metadata.get("tokenizer.ggml.add_eos_token", False)),
        eos_ids=frozenset(token_id for token_id in ends if token_id is not None),
        names={name: tokens[token_id] for name, token_id in ids.items() if token_id is not None},
    )
