"""Tokenizers and templates that would hang, grow or fail in the server are refused when the model is pulled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore
from aquilon.checkpoints.tensors import CheckpointError

Files = dict[str, bytes]


def with_tokenizer(change: Callable[[dict[str, Any]], object]) -> Files:
    files = tiny_checkpoint()
    tokenizer = json.loads(files["tokenizer.json"])
    change(tokenizer)
    return files | {"tokenizer.json": json.dumps(tokenizer).encode()}


def with_template(source: str) -> Files:
    files = tiny_checkpoint()
    config = json.loads(files["tokenizer_config.json"]) | {"chat_template": source}
    return files | {"tokenizer_config.json": json.dumps(config).encode()}


def with_rows(rows: int, source: str | None = None) -> Files:
    """The tiny checkpoint, whose last four tokens are control tokens, with fewer rows than its 260 tokens."""
    files = tiny_checkpoint() if source is None else with_template(source)
    config = json.loads(files["config.json"]) | {"vocab_size": rows}
    tensors = load(files["model.safetensors"])
    tensors["model.embed_tokens.weight"] = np.ascontiguousarray(tensors["model.embed_tokens.weight"][:rows])
    return files | {"config.json": json.dumps(config).encode(), "model.safetensors": save(tensors)}


def split(expression: str) -> dict[str, Any]:
    cut = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [cut, letters]}


def replacing(text: str, by: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": text}, "content": by}


def unigram(tokenizer: dict[str, Any]) -> None:
    pieces = [[piece, -1.0] for piece in tokenizer["model"]["vocab"]]
    tokenizer["model"] = {"type": "Unigram", "unk_id": None, "vocab": pieces[:60], "byte_fallback": False}
    tokenizer["pre_tokenizer"] = tokenizer["decoder"] = None
    tokenizer["added_tokens"] = []


HOSTILE = {
    "an expression that searches without end": (
        with_tokenizer(lambda tokenizer: tokenizer.update(pre_tokenizer=split(r"(\w+\s?)+$"))),
        "tokenizer fails on this text",
    ),
    "an expression that searches without end in numbers": (
        with_tokenizer(lambda tokenizer: tokenizer.update(pre_tokenizer=split(r"(?:\d*,?)*\d{3}x"))),
        "tokenizer fails on this text",
    ),
    "a normalizer that doubles a text thirty times": (
        with_tokenizer(
            lambda tokenizer: tokenizer.update(
                normalizer={"type": "Sequence", "normalizers": [replacing("a", "aa") for _ in range(30)]}
            )
        ),
        "normalizer may make a text 1073741824 times as long",
    ),
    "a vocabulary without a piece for most letters": (with_tokenizer(unigram), "unk_id"),
    "a template without an end": (with_template("{{ messages"), "malformed in line 1"),
    "a template that fails": (with_template("{{ nothing.at_all }}"), "fails in line 1"),
    "a template that runs for too long": (
        with_template("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"),
        "runs for too long",
    ),
    "a template of a megabyte": (with_template("{% if messages %}x{% endif %}" * 2**15), "characters, 262144 are"),
    "a template of tokens that have no weights": (with_rows(258), "token 25[89], and the model has weights"),
    "a vocabulary of texts that has no weights": (with_rows(200), "makes texts of tokens up to 255"),
}


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "home" / "models")


@pytest.mark.parametrize(("files", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_tokenizer_or_template_that_can_not_be_served_is_refused_with_the_reason(
    tmp_path: Path, store: ModelStore, files: Files, reason: str
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        pull(str(write_checkpoint(tmp_path / "hostile", files)), store)
    assert store.list() == []
    assert store.unfinished() == {}


def test_a_model_whose_template_needs_no_missing_token_is_usable(tmp_path: Path, store: ModelStore) -> None:
    model = pull(str(write_checkpoint(tmp_path / "plain", with_rows(256, "{{ messages[0].content }}"))), store)
    assert model.chat


def test_a_model_with_more_rows_than_tokens_is_usable(tmp_path: Path, store: ModelStore) -> None:
    files = tiny_checkpoint()
    config = json.loads(files["config.json"]) | {"vocab_size": 320}
    tensors = load(files["model.safetensors"])
    embedding = tensors["model.embed_tokens.weight"]
    tensors["model.embed_tokens.weight"] = np.concatenate([embedding, embedding[:60]])
    files |= {"config.json": json.dumps(config).encode(), "model.safetensors": save(tensors)}
    assert pull(str(write_checkpoint(tmp_path / "padded", files)), store).chat
