"""Folders that we write: the same model for us and for transformers, whatever its family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.support.random_transformers import random_architecture, random_transformer
from tests.support.tiny_models import CONFIGS, length_of, reference_logits, relative_difference, save_tiny_model
from transformers import AutoModelForCausalLM

from aquilon.checkpoints.hugging_face_config import config_from_architecture
from aquilon.checkpoints.hugging_face_names import hugging_face_name, our_name
from aquilon.checkpoints.hugging_face_writing import write_hugging_face
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.weights import load_tensor, load_transformer, unfused
from aquilon.models.architecture import FrequencyDivisors, Llama3Scaling, Rotary


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_written_is_the_same_model_for_transformers_and_for_us(name: str, tmp_path: Path) -> None:
    reference = save_tiny_model(name, tmp_path / "original")
    original = open_checkpoint(tmp_path / "original")
    stored = original.tensors()
    write_hugging_face(
        tmp_path / "written", original.architecture, lambda weight: load_tensor(stored[weight]), dtype="float32"
    )
    written = open_checkpoint(tmp_path / "written")
    assert written.architecture == original.architecture
    for weight, entry in written.tensors().items():
        assert torch.equal(load_tensor(entry), load_tensor(stored[weight]))
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "written", dtype=torch.float32)
    theirs.set_attn_implementation("eager")
    token_ids = torch.randint(0, original.architecture.vocab_size, (length_of(name),))
    assert relative_difference(reference_logits(theirs, token_ids), reference_logits(reference, token_ids)) <= 1e-5


def test_a_trained_transformer_is_written_in_bf16_bit_for_bit(tmp_path: Path) -> None:
    architecture = random_architecture(qk_norm=True, family="qwen3")
    transformer = random_transformer(architecture)
    weights = unfused(transformer.state_dict(), architecture)
    write_hugging_face(tmp_path, architecture, weights.__getitem__)
    loaded = load_transformer(open_checkpoint(tmp_path))
    for name, parameter in transformer.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], parameter.bfloat16().float())


def test_a_large_model_is_written_in_shards_with_their_index(tmp_path: Path) -> None:
    architecture = random_architecture(tied_embeddings=False)
    weights = unfused(random_transformer(architecture).state_dict(), architecture)
    shares: list[float] = []
    write_hugging_face(
        tmp_path, architecture, weights.__getitem__, shard_bytes=50_000, dtype="float32", progress=shares.append
    )
    checkpoint = open_checkpoint(tmp_path)
    assert len(checkpoint.files) > 3
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == architecture.parameter_shapes()
    assert all(torch.equal(load_tensor(entry), weights[name]) for name, entry in checkpoint.tensors().items())
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    AutoModelForCausalLM.from_pretrained(tmp_path)


@pytest.mark.parametrize("numbers", [{}, {"num_experts": 3, "experts_per_token": 2}, {"qk_norm": True}])
def test_every_weight_has_a_name_in_transformers_that_leads_back(numbers: dict[str, object]) -> None:
    for name in random_architecture(attention_bias=True, tied_embeddings=False, **numbers).parameter_shapes():
        assert our_name(hugging_face_name(name)) == name


def test_divisors_of_a_gguf_file_become_llama_3_scaling() -> None:
    from aquilon.models.rotary import inverse_frequencies

    scaled = Rotary(
        5e5, Llama3Scaling(factor=32.0, low_frequency_factor=1.0, high_frequency_factor=4.0, original_context=8192)
    )
    divisors = inverse_frequencies(Rotary(5e5), 64) / inverse_frequencies(scaled, 64)
    architecture = random_architecture(head_dim=64, rotary=Rotary(5e5, FrequencyDivisors(tuple(divisors.tolist()))))
    config = config_from_architecture(architecture)
    assert config["rope_parameters"]["rope_type"] == "llama3"
    assert config["rope_parameters"]["factor"] == 32.0
    assert json.dumps(config)


def test_a_model_that_transformers_does_not_have_is_refused_by_its_fields(tmp_path: Path) -> None:
    architecture = random_architecture(qk_norm=True, mlp_bias=True)
    with pytest.raises(ValueError, match="as a qwen3 it would lose mlp_bias True"):
        write_hugging_face(tmp_path / "out", architecture, lambda name: torch.empty(0))
    assert not (tmp_path / "out").exists()
