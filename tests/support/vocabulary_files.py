"""GGUF files that are all vocabulary: one layer of zeros, enough for llama.cpp to load them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import mistral_common
import numpy as np
import sentencepiece

from aquilon.checkpoints.gguf_file import read_gguf

MISTRAL_DATA = Path(mistral_common.__file__).parent / "data"
"""Tokenizers that mistral-common carries."""

_WIDTH = 32


def read_tokenizer_metadata(path: Path) -> dict[str, Any]:
    """The ``tokenizer.*`` key-values of a GGUF file."""
    metadata = read_gguf(path).metadata
    return {key: value for key, value in metadata.items() if key.startswith("tokenizer.")}


def first_tokens(metadata: dict[str, Any], count: int) -> dict[str, Any]:
    """The beginning of a byte-level vocabulary, which is a vocabulary too: merges come in the order of the tokens."""
    tokens = metadata["tokenizer.ggml.tokens"][:count]
    known = set(tokens)
    merges = [merge for merge in metadata["tokenizer.ggml.merges"] if merge.replace(" ", "") in known]
    return {
        **{key: value for key, value in metadata.items() if key != "tokenizer.chat_template"},
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": metadata["tokenizer.ggml.token_type"][:count],
        "tokenizer.ggml.merges": merges,
    }


def sentencepiece_metadata(path: Path) -> dict[str, Any]:
    """A SentencePiece model's vocabulary as a GGUF's metadata holds it."""
    model = sentencepiece.SentencePieceProcessor()
    model.Load(str(path))
    ids = range(model.vocab_size())
    unknown, control, byte = gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.BYTE
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [model.id_to_piece(token_id) for token_id in ids],
        "tokenizer.ggml.scores": [model.get_score(token_id) for token_id in ids],
        "tokenizer.ggml.token_type": [
            int(
                unknown
                if model.is_unknown(token_id)
                else control
                if model.is_control(token_id)
                else byte
                if model.is_byte(token_id)
                else gguf.TokenType.NORMAL
            )
            for token_id in ids
        ],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def write_vocabulary(path: Path, metadata: dict[str, Any]) -> Path:
    """A loadable GGUF with this tokenizer and weights of zeros."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_WIDTH)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    for key, value in metadata.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_array(key, value)
    square = np.zeros((_WIDTH, _WIDTH), dtype=np.float16)
    writer.add_tensor("token_embd.weight", np.zeros((len(metadata["tokenizer.ggml.tokens"]), _WIDTH), dtype=np.float16))
    writer.add_tensor("output_norm.weight", np.ones(_WIDTH, dtype=np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", square)
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(_WIDTH, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def folder_metadata(folder: Path, *, words: str) -> dict[str, Any]:
    """A trained byte-level ``tokenizer.json`` as a GGUF's metadata holds it; ``words`` names the rule for words."""
    state = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = state["model"]["vocab"]
    kinds = dict.fromkeys(vocabulary.values(), gguf.TokenType.NORMAL)
    for token in state["added_tokens"]:
        vocabulary[token["content"]] = token["id"]
        kinds[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": words,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [int(kinds[token_id]) for token_id in range(len(tokens))],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in state["model"]["merges"]],
    }
