"""Names of weights: transformers' to ours, and back."""

from __future__ import annotations

import re

_NAMES: tuple[tuple[str, str], ...] = (
    (r"model\.embed_tokens", "embedding"),
    (r"model\.norm", "norm"),
    (r"lm_head", "head"),
    (r"model\.layers\.(\d+)\.input_layernorm", r"layers.\1.attention_norm"),
    (r"model\.layers\.(\d+)\.post_attention_layernorm", r"layers.\1.mlp_norm"),
    (r"model\.layers\.(\d+)\.self_attn\.q_proj", r"layers.\1.attention.query"),
    (r"model\.layers\.(\d+)\.self_attn\.k_proj", r"layers.\1.attention.key"),
    (r"model\.layers\.(\d+)\.self_attn\.v_proj", r"layers.\1.attention.value"),
    (r"model\.layers\.(\d+)\.self_attn\.o_proj", r"layers.\1.attention.output"),
    (r"model\.layers\.(\d+)\.self_attn\.q_norm", r"layers.\1.attention.query_norm"),
    (r"model\.layers\.(\d+)\.self_attn\.k_norm", r"layers.\1.attention.key_norm"),
    (r"model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj", r"layers.\1.mlp.\2"),
    (r"model\.layers\.(\d+)\.(?:block_sparse_moe|mlp)\.gate", r"layers.\1.mlp.router"),
    (r"model\.layers\.(\d+)\.block_sparse_moe\.experts\.(\d+)\.w1", r"layers.\1.mlp.experts.\2.gate"),
    (r"model\.layers\.(\d+)\.block_sparse_moe\.experts\.(\d+)\.w3", r"layers.\1.mlp.experts.\2.up"),
    (r"model\.layers\.(\d+)\.block_sparse_moe\.experts\.(\d+)\.w2", r"layers.\1.mlp.experts.\2.down"),
)
_PATTERNS = tuple((re.compile(theirs), ours) for theirs, ours in _NAMES)

_BACK = {
    "embedding": "model.embed_tokens",
    "norm": "model.norm",
    "head": "lm_head",
    "attention_norm": "input_layernorm",
    "mlp_norm": "post_attention_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm",
    "mlp.gate": "mlp.gate_proj",
    "mlp.up": "mlp.up_proj",
    "mlp.down": "mlp.down_proj",
    "mlp.router": "block_sparse_moe.gate",
}
_EXPERT = re.compile(r"mlp\.experts\.(\d+)\.(gate|up|down)")
_EXPERT_BACK = {"gate": "w1", "up": "w3", "down": "w2"}


def our_name(name: str) -> str | None:
    """A weight's name in ``Architecture.parameter_shapes``; None for one that no model here has."""
    module, _, kind = name.rpartition(".")
    if kind in ("weight", "bias"):
        for pattern, ours in _PATTERNS:
            if match := pattern.fullmatch(module):
                return f"{match.expand(ours)}.{kind}"
    return None


def hugging_face_name(name: str) -> str:
    """The name in transformers of one of our weights, ``layers.0.attention.query.weight``."""
    module, _, kind = name.rpartition(".")
    return f"{hugging_face_module(module)}.{kind}"


def hugging_face_module(module: str) -> str:
    """The name in transformers of one of our modules, ``layers.0.attention.query``."""
    if not module.startswith("layers."):
        return _BACK[module]
    _, layer, inside = module.split(".", 2)
    if expert := _EXPERT.fullmatch(inside):
        return f"model.layers.{layer}.block_sparse_moe.experts.{expert[1]}.{_EXPERT_BACK[expert[2]]}"
    return f"model.layers.{layer}.{_BACK[inside]}"
