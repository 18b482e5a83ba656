"""Mistral's own folders: params.json and consolidated weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.gguf_files import pair_halves
from tests.support.tiny_models import MISTRAL_YARN, reference_logits, relative_difference, tiny_model
from torch import Tensor
from transformers import PreTrainedModel

from aquilon.checkpoints.mistral_format import architecture_from_params
from aquilon.checkpoints.opening import CheckpointError, open_checkpoint
from aquilon.checkpoints.weights import load_tensor, load_transformer
from aquilon.models.architecture import UnsupportedArchitecture, YarnScaling
from aquilon.models.attention import DenseCausalAttention

_MODULES = {
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.up_proj": "feed_forward.w3",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.gate": "feed_forward.gate",
}
_TOP = {"model.embed_tokens": "tok_embeddings", "model.norm": "norm", "lm_head": "output"}

PARAMS: dict[str, Any] = {
    "dim": 4096,
    "n_layers": 32,
    "head_dim": 128,
    "hidden_dim": 14336,
    "n_heads": 32,
    "n_kv_heads": 8,
    "norm_eps": 1e-5,
    "vocab_size": 32768,
    "rope_theta": 1000000.0,
}


def write_mistral(model: PreTrainedModel, folder: Path, **more: Any) -> None:
    """A reference model as Mistral would publish it."""
    config = model.config
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.named_parameters():
        module = name.removesuffix(".weight")
        if module in _TOP:
            tensors[f"{_TOP[module]}.weight"] = tensor.detach().clone()
            continue
        match = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", module)
        assert match, name
        layer, rest = match.groups()
        if rest.startswith("mlp.experts"):
            stem = f"layers.{layer}.feed_forward.experts"
            for expert, weight in enumerate(tensor.detach()):
                if rest == "mlp.experts.down_proj":
                    tensors[f"{stem}.{expert}.w2.weight"] = weight.clone()
                else:
                    gate, up = weight.chunk(2)
                    tensors[f"{stem}.{expert}.w1.weight"] = gate.clone()
                    tensors[f"{stem}.{expert}.w3.weight"] = up.clone()
            continue
        heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
        weight = pair_halves(tensor, heads[rest]) if rest in heads else tensor.detach()
        tensors[f"layers.{layer}.{_MODULES[rest]}.weight"] = weight.clone()
    save_file(tensors, folder / "consolidated.safetensors")
    params = {
        "dim": config.hidden_size,
        "n_layers": config.num_hidden_layers,
        "head_dim": config.head_dim,
        "hidden_dim": config.intermediate_size,
        "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads,
        "norm_eps": config.rms_norm_eps,
        "vocab_size": config.vocab_size,
        "rope_theta": config.rope_parameters["rope_theta"],
        "sliding_window": config.sliding_window,
        "max_position_embeddings": config.max_position_embeddings,
    }
    (folder / "params.json").write_text(json.dumps({**params, **more}))


MINISTRAL3_PARAMS = {
    "yarn": {
        "original_max_position_embeddings": MISTRAL_YARN["original_max_position_embeddings"],
        "factor": MISTRAL_YARN["factor"],
        "apply_scale": False,
        "beta": MISTRAL_YARN["beta_fast"],
        "alpha": MISTRAL_YARN["beta_slow"],
    },
    "llama_4_scaling": {
        "original_max_position_embeddings": MISTRAL_YARN["original_max_position_embeddings"],
        "beta": MISTRAL_YARN["llama_4_scaling_beta"],
    },
}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("mistral", {}),
        ("mistral-without-window", {}),
        ("mixtral", {"moe": {"num_experts": 5, "num_experts_per_tok": 2}}),
        ("ministral3-unscaled", MINISTRAL3_PARAMS),
    ],
)
def test_a_published_model_computes_what_the_original_does(name: str, more: dict[str, Any], tmp_path: Path) -> None:
    reference = tiny_model(name)
    write_mistral(reference, tmp_path, **more)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.format == "mistral"
    assert checkpoint.eos_ids == {2}
    token_ids = torch.arange(90) % 97
    attention = DenseCausalAttention([90], checkpoint.architecture)
    model = load_transformer(checkpoint)
    logits = model.logits(model(token_ids, torch.arange(90), attention))
    assert relative_difference(logits, reference_logits(reference, token_ids)) <= 1e-4


def test_fp8_weights_are_multiplied_by_their_scale_also_where_rows_are_reordered(tmp_path: Path) -> None:
    reference = tiny_model("mistral")
    write_mistral(reference, tmp_path, quantization={"qformat_weight": "fp8_e4m3", "qscheme_act": "TENSOR"})
    tensors = load_file(tmp_path / "consolidated.safetensors")
    for name in [name for name in tensors if ".attention.w" in name]:
        scale = tensors[name].abs().max() / 448
        tensors[name] = (tensors[name] / scale).to(torch.float8_e4m3fn)
        tensors[name.replace("weight", "qscale_weight")] = scale.reshape(())
        tensors[name.replace("weight", "qscale_act")] = torch.tensor(0.1)
    save_file(tensors, tmp_path / "consolidated.safetensors")
    query = load_tensor(open_checkpoint(tmp_path).tensors()["layers.0.attention.query.weight"])
    original = reference.model.layers[0].self_attn.q_proj.weight
    assert (query - original).abs().max() <= original.abs().max() / 16


def test_the_text_part_of_an_image_model_is_opened(tmp_path: Path) -> None:
    write_mistral(tiny_model("mistral"), tmp_path, vision_encoder={"hidden_size": 8})
    tensors = load_file(tmp_path / "consolidated.safetensors")
    tensors["vision_encoder.ln_pre.weight"] = torch.ones(8)
    tensors["vision_language_adapter.w_in.weight"] = torch.ones(8, 8)
    save_file(tensors, tmp_path / "consolidated.safetensors")
    assert open_checkpoint(tmp_path).architecture.num_layers == 4


def test_where_both_formats_are_published_hugging_face_is_opened(tmp_path: Path) -> None:
    reference = tiny_model("mistral")
    reference.save_pretrained(tmp_path)
    write_mistral(reference, tmp_path)
    assert open_checkpoint(tmp_path).format == "huggingface"
    (tmp_path / "model.safetensors").unlink()
    assert open_checkpoint(tmp_path).format == "mistral"


def test_a_list_of_sliding_windows_repeats_over_the_layers() -> None:
    windows = architecture_from_params({**PARAMS, "sliding_window": [None, 64, 64, 64]}).sliding_windows
    assert windows[:5] == (None, 64, 64, 64, None)
    assert len(windows) == 32


def test_yarn_without_scale_leaves_cosine_and_sine_alone() -> None:
    architecture = architecture_from_params({**PARAMS, **MINISTRAL3_PARAMS})
    assert isinstance(architecture.rotary.scaling, YarnScaling)
    assert architecture.rotary.scaling.attention_factor == 1.0
    assert architecture.rotary.query_scale_beta == 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": -4096}, "dim is -4096"),
        ({"dim": None}, "dim"),
        ({"n_layers": 10**9}, "n_layers"),
        ({"moe": [1]}, "moe"),
        ({"sliding_window": [0]}, "sliding_window"),
        ({"norm_eps": float("nan")}, "norm_eps"),
    ],
)
def test_invalid_params_are_refused_by_field(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text(json.dumps({**PARAMS, **changes}))
    save_file({"norm.weight": torch.ones(1)}, tmp_path / "consolidated.safetensors")
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(tmp_path)
    assert "params.json" in str(caught.value)


def test_multi_head_latent_attention_is_refused() -> None:
    with pytest.raises(UnsupportedArchitecture, match="kv_lora_rank"):
        architecture_from_params({**PARAMS, "kv_lora_rank": 512})
