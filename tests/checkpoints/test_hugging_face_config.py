"""Reading config.json: the defaults of each family, and a refusal by name for what isn't computed."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoConfig

from aquilon.checkpoints.hugging_face_config import architecture_from_config
from aquilon.models.architecture import DynamicScaling, Llama3Scaling, UnsupportedArchitecture, YarnScaling

LLAMA = {"model_type": "llama"}


@pytest.mark.parametrize("name", ["llama", "mistral", "ministral", "ministral3", "mixtral", "qwen2", "qwen3"])
def test_an_empty_config_has_the_defaults_of_transformers(name: str) -> None:
    ours = architecture_from_config({"model_type": name})
    theirs = AutoConfig.for_model(name)
    heads = theirs.num_attention_heads
    assert ours.vocab_size == theirs.vocab_size
    assert ours.hidden_size == theirs.hidden_size
    assert ours.intermediate_size == theirs.intermediate_size
    assert ours.num_layers == theirs.num_hidden_layers
    assert (ours.num_heads, ours.num_kv_heads) == (heads, theirs.num_key_value_heads)
    assert ours.head_dim == (getattr(theirs, "head_dim", None) or theirs.hidden_size // heads)
    assert ours.norm_eps == theirs.rms_norm_eps
    assert ours.max_context == theirs.max_position_embeddings
    assert ours.rotary.theta == theirs.rope_parameters["rope_theta"]
    assert ours.tied_embeddings == theirs.tie_word_embeddings
    assert set(ours.sliding_windows) == {getattr(theirs, "sliding_window", None)}


def test_older_files_spell_rotary_scaling_their_own_way() -> None:
    scaling = {
        "type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    config = {**LLAMA, "max_position_embeddings": 131072, "rope_theta": 500000.0, "rope_scaling": scaling}
    architecture = architecture_from_config(config)
    assert architecture.rotary.theta == 500000.0
    assert architecture.rotary.scaling == Llama3Scaling(
        factor=8.0, low_frequency_factor=1.0, high_frequency_factor=4.0, original_context=8192
    )
    assert architecture.max_context == 131072


def test_yarn_extends_the_context_by_its_factor() -> None:
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    config = {"model_type": "qwen2", "max_position_embeddings": 32768, "rope_scaling": scaling}
    architecture = architecture_from_config(config)
    assert architecture.max_context == 131072
    assert isinstance(architecture.rotary.scaling, YarnScaling)
    assert architecture.rotary.scaling.attention_factor == pytest.approx(1.138629436)


def test_dynamic_scaling_is_fixed_for_the_whole_extended_context() -> None:
    config = {**LLAMA, "max_position_embeddings": 4096, "rope_scaling": {"type": "dynamic", "factor": 2.0}}
    architecture = architecture_from_config(config)
    assert architecture.rotary.scaling == DynamicScaling(2.0, 4096)
    assert architecture.max_context == 8192


def test_window_of_a_layer_follows_its_type() -> None:
    kinds = ["full_attention", "sliding_attention"] * 2
    config = {"model_type": "ministral", "num_hidden_layers": 4, "sliding_window": 64, "layer_types": kinds}
    assert architecture_from_config(config).sliding_windows == (None, 64, None, 64)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "gemma3"},
        {"model_type": "qwen3_moe"},
        {"architectures": ["LlamaForCausalLM"]},
        {**LLAMA, "hidden_act": "gelu"},
        {**LLAMA, "rope_scaling": {"rope_type": "longrope", "factor": 2.0}},
        {**LLAMA, "rope_parameters": {"full_attention": {"rope_type": "default"}}},
        {**LLAMA, "partial_rotary_factor": 0.5},
        {"model_type": "mistral3", "text_config": {"model_type": "gemma"}},
    ],
)
def test_an_unsupported_model_is_refused_with_the_supported_ones_and_an_alternative(config: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedArchitecture, match=r"Supported are llama, mistral.*qwen3.*upstream"):
        architecture_from_config(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden_size", -1),
        ("hidden_size", 10**40),
        ("hidden_size", 64.5),
        ("num_hidden_layers", 10**9),
        ("num_attention_heads", 0),
        ("num_attention_heads", True),
        ("vocab_size", "many"),
        ("rms_norm_eps", float("nan")),
        ("rms_norm_eps", float("inf")),
        ("rope_theta", -1.0),
        ("rope_theta", [1]),
        ("max_position_embeddings", 2**60),
        ("tie_word_embeddings", "yes"),
        ("rope_scaling", "linear"),
        ("rope_scaling", {"type": "linear", "factor": 0}),
        ("rope_scaling", {"type": "linear", "factor": 1e29}),
        ("rope_scaling", {"type": "yarn", "factor": 4.0, "beta_fast": -1}),
    ],
)
def test_an_invalid_value_is_refused_with_the_name_of_the_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        architecture_from_config({**LLAMA, field: value})
    named = {"rope_scaling": "factor|beta_fast|rope_parameters|max_context"}.get(field, field)
    assert any(name in str(caught.value) for name in named.split("|"))
