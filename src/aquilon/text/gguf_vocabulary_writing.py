"""A folder's tokenizer as a GGUF file's metadata (keys ``tokenizer.*``), for byte-level BPE."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tokenizers

from aquilon.text.gguf_vocabulary import TokenType
from aquilon.text.huggingface import templates_from_folder, tokenizer_from_folder
from aquilon.text.pretokenizers import patterns_of, rules_with
from aquilon.text.subword import SubwordTokenizer, as_tokenizer_error
from aquilon.text.tokenizer import TokenizerError

_UNWRITABLE = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback")


def vocabulary_from_folder(folder: Path, *, rows: int) -> dict[str, Any]:
    """The metadata of a folder with ``tokenizer.json``, for a model with ``rows`` rows of weights.

    Raises TokenizerError for a tokenizer that GGUF has no name for, such as SentencePiece or an unknown rule for words.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise TokenizerError(f"{folder} holds no tokenizer.json, from which a GGUF file's vocabulary is made")
    tokenizer = tokenizer_from_folder(folder, rows=rows)
    state = json.loads(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    _require_byte_level(path, state)
    special = tokenizer.special
    ends = sorted(special.eos_ids - {special.eos_id})
    metadata: dict[str, Any] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": _rule_name(path, state),
        **_tokens(tokenizer, state["model"]["vocab"], rows),
        "tokenizer.ggml.merges": [
            merge if isinstance(merge, str) else " ".join(merge) for merge in state["model"]["merges"]
        ],
        "tokenizer.ggml.add_bos_token": special.add_bos,
        "tokenizer.ggml.add_eos_token": special.add_eos,
    }
    ids = {
        "bos": special.bos_id,
        "eos": special.eos_id if special.eos_id is not None else ends.pop(0) if ends else None,
        "unknown": special.unk_id,
        "padding": _padding(tokenizer),
        "eot": ends[0] if ends else None,
        "eom": ends[1] if len(ends) > 1 else None,
    }
    metadata |= {f"tokenizer.ggml.{name}_token_id": value for name, value in ids.items() if value is not None}
    for name, template in templates_from_folder(folder).items():
        metadata["tokenizer.chat_template" + ("" if name == "default" else f".{name}")] = template
    return metadata


def _require_byte_level(path: Path, state: Mapping[str, Any]) -> None:
    model, normalizer = state["model"], state.get("normalizer")
    if model.get("type", "BPE") != "BPE" or "ByteLevel" not in json.dumps(state.get("pre_tokenizer")):
        raise TokenizerError(f"{path} isn't byte-level BPE: only such vocabularies are written to GGUF files")
    if unwritable := next((name for name in _UNWRITABLE if model.get(name)), None):
        raise TokenizerError(f"{path}: {unwritable} is {model[unwritable]!r:.40}, which GGUF files don't have")
    if normalizer is not None and normalizer.get("type") != "NFC":  # which llama.cpp's converter leaves out too
        raise TokenizerError(f"{path} has the normalizer {normalizer.get('type')}, which GGUF files don't have")


def _tokens(tokenizer: SubwordTokenizer, vocab: Mapping[str, int], rows: int) -> dict[str, Any]:
    """Text and type of each token, and a token of its own for each row of the weights that has none."""
    tokens = [f"[PAD{index}]" for index in range(rows)]
    types = [int(TokenType.UNUSED)] * rows
    for text, token_id in vocab.items():
        if token_id < rows:
            tokens[token_id], types[token_id] = text, TokenType.NORMAL
    for added in tokenizer.added_tokens:
        tokens[added.id] = added.text
        types[added.id] = TokenType.CONTROL if added.control else TokenType.USER_DEFINED
    return {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [int(kind) for kind in types]}


def _padding(tokenizer: SubwordTokenizer) -> int | None:
    name = tokenizer.special.names.get("pad_token")
    return None if name is None else tokenizer.control_tokens.get(name)


def _rule_name(path: Path, state: Mapping[str, Any]) -> str:
    """The name of the rule that cuts text into the same words.

    A rule's name also says whether a word that is a token needs no merges. Where that differs, the rule is still the
    right one if merging leads to every token.
    """
    patterns = patterns_of(state["pre_tokenizer"])
    rules = rules_with(patterns) if patterns is not None else {}
    if not rules:
        raise TokenizerError(
            f"{path} cuts text into words by a rule that GGUF files have no name for: "
            f"{json.dumps(state['pre_tokenizer'], ensure_ascii=False):.400}"
        )
    whole_words = bool(state["model"].get("ignore_merges"))
    for name, rule in rules.items():
        if rule.whole_words == whole_words:
            return name
    name = next(iter(rules))
    if (unreachable := _unreachable(state)) is not None:
        raise TokenizerError(
            f"{path} has ignore_merges {str(whole_words).lower()}, and GGUF's rule '{name}' the opposite: "
            f"they differ for the token {unreachable!r:.60}"
        )
    return name


def _unreachable(state: Mapping[str, Any]) -> str | None:
    """A token that merging its own text doesn't lead to; None if there is none."""
    merging = {**state, "model": {**state["model"], "ignore_merges": False}}
    with as_tokenizer_error("the vocabulary can't be merged"):
        model = tokenizers.Tokenizer.from_str(json.dumps(merging)).model
    added = {token["content"] for token in state.get("added_tokens", [])}
    pieces: Iterable[str] = state["model"]["vocab"].keys() - added
    return next((piece for piece in pieces if len(model.tokenize(piece)) != 1), None)
