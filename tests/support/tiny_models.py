"""Tiny random models of each family, made by transformers: what ours are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import PreTrainedModel

SIZES: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 72,
    "intermediate_size": 112,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 24,  # not hidden_size / num_attention_heads
    "max_position_embeddings": 256,
    "initializer_range": 0.25,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}

WINDOW = 13
ORIGINAL_CONTEXT = 24
"""Rotary scalings start from so many tokens."""

LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
DYNAMIC = {"rope_type": "dynamic", "factor": 2.5, "rope_theta": 10000.0}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": ORIGINAL_CONTEXT,
    "rope_theta": 500.0,
}
YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": ORIGINAL_CONTEXT,
    "beta_fast": 4.0,
    "beta_slow": 0.5,
    "rope_theta": 300.0,
}
MISTRAL_YARN = {**YARN, "mscale": 1.0, "mscale_all_dim": 0.7, "llama_4_scaling_beta": 0.1}

_MISTRAL3_TEXT = {**SIZES, "model_type": "ministral3", "rope_parameters": MISTRAL_YARN, "sliding_window": None}

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama"},
    "llama-tied-biased": {
        "model_type": "llama",
        "tie_word_embeddings": True,
        "attention_bias": True,
        "mlp_bias": True,
        "rms_norm_eps": 1e-3,
    },
    "llama-one-kv-head": {"model_type": "llama", "num_key_value_heads": 1, "num_attention_heads": 5, "hidden_size": 80},
    "llama-linear": {"model_type": "llama", "rope_parameters": LINEAR, "max_position_embeddings": ORIGINAL_CONTEXT},
    "llama-dynamic": {"model_type": "llama", "rope_parameters": DYNAMIC, "max_position_embeddings": ORIGINAL_CONTEXT},
    "llama-llama3": {"model_type": "llama", "rope_parameters": LLAMA3},
    "mistral": {"model_type": "mistral", "sliding_window": WINDOW},
    "mistral-without-window": {"model_type": "mistral", "sliding_window": None, "head_dim": 32},
    "mistral-yarn": {"model_type": "mistral", "sliding_window": WINDOW, "rope_parameters": YARN},
    "ministral": {
        "model_type": "ministral",
        "sliding_window": WINDOW,
        "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
    },
    "ministral3": {"model_type": "ministral3", "rope_parameters": MISTRAL_YARN},
    "ministral3-unscaled": {
        "model_type": "ministral3",
        "rope_parameters": {**YARN, "attention_factor": 1.0, "llama_4_scaling_beta": 0.1},
    },
    "ministral3-window": {"model_type": "ministral3", "rope_parameters": MISTRAL_YARN, "sliding_window": WINDOW},
    "mixtral": {"model_type": "mixtral", "num_local_experts": 5, "num_experts_per_tok": 2},
    "mixtral-window": {"model_type": "mixtral", "sliding_window": WINDOW, "num_local_experts": 3},
    "qwen2": {"model_type": "qwen2"},
    "qwen2-window": {
        "model_type": "qwen2",
        "use_sliding_window": True,
        "sliding_window": WINDOW,
        "max_window_layers": 2,
        "tie_word_embeddings": True,
    },
    "qwen2-yarn": {"model_type": "qwen2", "rope_parameters": YARN, "max_position_embeddings": ORIGINAL_CONTEXT},
    "qwen3": {"model_type": "qwen3"},
    "qwen3-biased-window": {
        "model_type": "qwen3",
        "attention_bias": True,
        "use_sliding_window": True,
        "sliding_window": WINDOW,
        "max_window_layers": 1,
    },
    "mistral3": {"model_type": "mistral3"},
}

LENGTHS: dict[str, int] = {"llama-dynamic": int(ORIGINAL_CONTEXT * DYNAMIC["factor"])}  # type: ignore[operator]
"""Tokens to compare over, where it isn't 90: past the window, and past every original context."""


def length_of(name: str) -> int:
    return LENGTHS.get(name, 90)


def tiny_model(name: str, seed: int = 0) -> PreTrainedModel:
    """The reference, fp32, with random norms and biases too: their usual ones and zeros would hide mistakes."""
    torch.manual_seed(seed)
    config = CONFIGS[name]
    kind = config["model_type"]
    if kind == "mistral3":
        vision = {"model_type": "pixtral", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
        vision |= {"num_attention_heads": 2, "head_dim": 8, "image_size": 28, "patch_size": 14}
        settings: dict[str, Any] = {
            "text_config": _MISTRAL3_TEXT,
            "vision_config": vision,
            "image_token_index": 3,
            "tie_word_embeddings": False,
        }
        model_class = transformers.Mistral3ForConditionalGeneration
    else:
        settings = {**SIZES, **{key: value for key, value in config.items() if key != "model_type"}}
        model_class = transformers.AutoModelForCausalLM
    model_config = transformers.AutoConfig.for_model(kind, **settings)
    make = model_class if kind == "mistral3" else model_class.from_config
    model = make(model_config)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("bias"):
                parameter.normal_(std=0.3)
            elif parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5)
            elif "experts" in parameter_name or "gate.weight" in parameter_name:
                parameter.normal_(std=SIZES["initializer_range"])
    assert isinstance(model, nn.Module)
    return model.float().eval()


def save_tiny_model(name: str, folder: Path, **options: Any) -> PreTrainedModel:
    """The reference, and a folder that transformers wrote it into."""
    model = tiny_model(name)
    model.save_pretrained(folder, **options)
    return model


def reference_logits(model: PreTrainedModel, token_ids: Tensor) -> Tensor:
    """``token_ids (T,)`` to logits ``(T, vocab_size)``."""
    with torch.no_grad():
        logits: Tensor = model(input_ids=token_ids[None]).logits[0]
    return logits


def relative_difference(ours: Tensor, reference: Tensor) -> float:
    """The largest difference, in units of the reference's standard deviation."""
    return ((ours - reference).abs().max() / reference.std()).item()
