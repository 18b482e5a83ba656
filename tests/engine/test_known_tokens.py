"""Output matrices with more rows than the vocabulary has tokens: such tokens are never drawn or reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFWriter
from safetensors.numpy import load, save
from tests.support.loaded_models import answer_all
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.engine.known_tokens import KnownTokens
from aquilon.engine.loading import plan_loading
from aquilon.engine.model import LoadedModel
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import LoadModel, SamplingParameters, SequenceRequest
from aquilon.engine.validation import InvalidRequest
from aquilon.text.gguf_vocabulary import TokenType

TOKENS = 260
"""Of the tiny checkpoint: 256 bytes and four control tokens."""
ROWS = 320
UNUSED = 40
"""A token in the midst of the vocabulary that stands for nothing."""


def padded_folder(folder: Path, rows: int = ROWS) -> Path:
    """The tiny checkpoint with so many rows, those beyond its vocabulary much likelier than all others."""
    files = tiny_checkpoint()
    tokenizer = json.loads(files["tokenizer.json"])
    vocabulary = tokenizer["model"]["vocab"]
    del vocabulary[next(text for text, token_id in vocabulary.items() if token_id == UNUSED)]
    config = json.loads(files["config.json"]) | {"vocab_size": rows, "tie_word_embeddings": False}
    tensors = load(files["model.safetensors"])
    embedding = tensors["model.embed_tokens.weight"]
    more = np.repeat(embedding[:1], rows - TOKENS, axis=0)
    tensors["model.embed_tokens.weight"] = np.concatenate([embedding, more])
    head = np.random.default_rng(1).normal(0, 0.01, (rows, embedding.shape[1])).astype(np.float32)
    head[TOKENS:] *= 100
    head[UNUSED] *= 100
    tensors["lm_head.weight"] = head
    changed = {"config.json": json.dumps(config).encode(), "tokenizer.json": json.dumps(tokenizer).encode()}
    return write_checkpoint(folder, files | changed | {"model.safetensors": save(tensors)})


def padded_gguf(folder: Path) -> Path:
    """A model of the same kind in GGUF, with a token of the type that fills up vocabularies among the others."""
    random, hidden = np.random.default_rng(2), 64
    tokens = [f"t{index}" for index in range(TOKENS)]
    types = [TokenType.UNUSED if index == UNUSED else TokenType.NORMAL for index in range(TOKENS)]
    folder.mkdir(parents=True)
    path = folder / "padded.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([int(kind) for kind in types])

    def tensor(name: str, *shape: int) -> None:
        value = random.normal(0, 0.05, shape).astype(np.float32)
        if name == "output.weight":
            value[TOKENS:] *= 100
            value[UNUSED] *= 100
        writer.add_tensor(name, value if len(shape) > 1 else 1 + value)

    tensor("token_embd.weight", ROWS, hidden)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        tensor(f"blk.0.{name}.weight", hidden, hidden)
    for name in ("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"):
        tensor(name, hidden)
    tensor("output.weight", ROWS, hidden)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(params=["safetensors", "gguf", "gguf-without-quantization"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> LoadedModel:
    path = padded_folder(tmp_path / "m") if request.param == "safetensors" else padded_gguf(tmp_path / "m")
    quantize: Any = "int8" if request.param == "gguf" else "none"
    options = EngineOptions(
        device="cpu", dtype="float32", quantize=quantize, step_seconds=None, kv_tokens=1024, threads=1
    )
    plan = plan_loading(LoadModel("m", str(path)), options)
    return plan.load(2**31, lambda _: None)


def request(model: LoadedModel, **sampling: Any) -> SequenceRequest:
    parameters = SamplingParameters(**{"max_tokens": 20, "ignore_eos": True} | sampling)
    return SequenceRequest(id="r", model="m", prompt_ids=[5, 6, 7], sampling=parameters)


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 0.0},
        {"temperature": 1.5, "seed": 3},
        {"temperature": 1.0, "top_k": 300, "seed": 1},
        {"temperature": 1.0, "top_p": 0.99, "seed": 1},
        {"temperature": 2.0, "min_p": 0.001, "seed": 1, "repetition_penalty": 1.1},
    ],
)
def test_rows_beyond_the_vocabulary_are_never_drawn(model: LoadedModel, sampling: dict[str, Any]) -> None:
    answers = answer_all(model, [request(model, **sampling)])
    ids = answers["r", 0].token_ids
    assert len(ids) == 20
    assert max(ids) < TOKENS
    assert UNUSED not in ids


def test_log_probabilities_cover_the_vocabulary_only(model: LoadedModel) -> None:
    answers = answer_all(model, [request(model, logprobs=20, prompt_logprobs=20, max_tokens=2)])
    first, *_ = answers["r", 0].outputs
    assert first.logprobs is not None
    assert first.prompt_logprobs is not None
    entries = [*first.logprobs, *(entry for entry in first.prompt_logprobs if entry is not None)]
    assert len(entries) == 3
    for entry in entries:
        assert len(entry.top) == 20
        assert all(token_id < TOKENS for token_id, _ in entry.top)
        assert sum(np.exp(logprob) for _, logprob in entry.top) <= 1 + 1e-6


def test_an_id_beyond_the_vocabulary_is_refused_like_one_beyond_the_weights(model: LoadedModel) -> None:
    with pytest.raises(InvalidRequest, match=f"from 0 to {TOKENS - 1}"):
        model.add(SequenceRequest(id="r", model="m", prompt_ids=[TOKENS], sampling=SamplingParameters()))
    with pytest.raises(InvalidRequest, match="logit_bias"):
        model.add(request(model, logit_bias={TOKENS: 1.0}))


def test_unused_ids_are_excluded_and_all_others_unchanged() -> None:
    logits = torch.arange(12.0).reshape(2, 6)
    known = KnownTokens(4, [1]).of(logits)
    assert known.tolist() == [[0.0, -torch.inf, 2.0, 3.0], [6.0, -torch.inf, 8.0, 9.0]]
    assert torch.equal(KnownTokens(6).of(logits), logits)
