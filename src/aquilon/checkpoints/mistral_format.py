"""Folders as Mistral publishes them: params.json and consolidated*.safetensors.

Names are those of mistral-inference. Queries and keys are stored with the two dimensions
of each rotary pair side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.config_fields import flag, integer, number
from aquilon.checkpoints.json_file import read_object
from aquilon.checkpoints.rope_config import rotary_from_parameters
from aquilon.checkpoints.safetensors_file import StoredTensor, read_all, tensor_entry
from aquilon.checkpoints.tensors import CheckpointError, TensorEntry, check_tensors
from aquilon.models.architecture import Architecture, UnsupportedArchitecture

EOS_ID = 2
"""``</s>`` in every tokenizer of Mistral."""

_NAMES = (
    (r"tok_embeddings", "embedding"),
    (r"norm", "norm"),
    (r"output", "head"),
    (r"layers\.(\d+)\.attention_norm", r"layers.\1.attention_norm"),
    (r"layers\.(\d+)\.ffn_norm", r"layers.\1.mlp_norm"),
    (r"layers\.(\d+)\.attention\.wq", r"layers.\1.attention.query"),
    (r"layers\.(\d+)\.attention\.wk", r"layers.\1.attention.key"),
    (r"layers\.(\d+)\.attention\.wv", r"layers.\1.attention.value"),
    (r"layers\.(\d+)\.attention\.wo", r"layers.\1.attention.output"),
    (r"layers\.(\d+)\.feed_forward\.gate", r"layers.\1.mlp.router"),
    (r"layers\.(\d+)\.feed_forward\.(experts\.\d+\.)?w1", r"layers.\1.mlp.\2gate"),
    (r"layers\.(\d+)\.feed_forward\.(experts\.\d+\.)?w3", r"layers.\1.mlp.\2up"),
    (r"layers\.(\d+)\.feed_forward\.(experts\.\d+\.)?w2", r"layers.\1.mlp.\2down"),
)
_PATTERNS = tuple((re.compile(theirs), ours) for theirs, ours in _NAMES)
_IGNORED = re.compile(
    r"(vision_encoder|vision_language_adapter|patch_merger|pre_mm_projector_norm)\..*|.*\.(qscale_act|qscale_weight)"
)
_UNSUPPORTED = ("q_lora_rank", "kv_lora_rank", "lora", "use_biases", "audio_encoder")


def open_mistral(folder: Path) -> Checkpoint:
    """Open a folder with params.json; raises CheckpointError or UnsupportedArchitecture."""
    params_file = folder / "params.json"
    params = read_object(params_file)
    try:
        architecture = architecture_from_params(params)
    except UnsupportedArchitecture:
        raise
    except ValueError as error:
        raise CheckpointError(params_file, str(error)) from error
    files = sorted(folder.glob("consolidated*.safetensors"))
    if not files:
        raise CheckpointError(folder, "holds no consolidated*.safetensors")
    entries = dict(_entries(read_all(files), architecture))
    check_tensors(architecture, entries, folder)
    return Checkpoint(
        path=folder,
        format="mistral",
        architecture=architecture,
        metadata=params,
        files=files,
        entries=entries,
        eos_ids=frozenset({EOS_ID}),
    )


def architecture_from_params(params: Mapping[str, Any]) -> Architecture:
    """The architecture that a ``params.json`` describes; raises UnsupportedArchitecture or ValueError."""
    for name in _UNSUPPORTED:
        if params.get(name):
            raise UnsupportedArchitecture(f"'mistral' with {name}")
    for name in ("dim", "n_layers", "n_heads", "hidden_dim", "vocab_size"):
        if name not in params:
            raise ValueError(f"{name} is missing")
    hidden_size = integer(params, "dim", 0)
    num_heads = integer(params, "n_heads", 0)
    num_layers = integer(params, "n_layers", 0, at_most=1024)
    windows = _sliding_windows(params, num_layers)
    context = integer(params, "max_position_embeddings", integer(params, "max_seq_len", 128_000))
    rotary, max_context = rotary_from_parameters(_rope_parameters(params, windows), context, scales_queries=True)
    experts = _object(params, "moe")
    if experts.get("num_shared_experts") or experts.get("first_k_dense_replace"):
        raise UnsupportedArchitecture("'mistral' with shared experts or dense first layers")
    return Architecture(
        family="mixtral" if experts else "mistral",
        vocab_size=integer(params, "vocab_size", 0),
        hidden_size=hidden_size,
        intermediate_size=integer(params, "hidden_dim", 0),
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=integer(params, "n_kv_heads", num_heads),
        head_dim=integer(params, "head_dim", max(1, hidden_size // num_heads)),
        norm_eps=number(params, "norm_eps", 1e-5),
        max_context=max_context,
        rotary=rotary,
        sliding_windows=windows,
        tied_embeddings=flag(params, "tied_embeddings"),
        num_experts=integer(experts, "num_experts", 8) if experts else 0,
        experts_per_token=integer(experts, "num_experts_per_tok", 2) if experts else 0,
    )


def _rope_parameters(params: Mapping[str, Any], windows: tuple[int | None, ...]) -> dict[str, Any]:
    """Rotary parameters with Hugging Face's names. mistral-inference's default base depends on the sliding window."""
    rope: dict[str, Any] = {
        "rope_theta": number(params, "rope_theta", 1e6 if windows[0] is None else 1e4),
    }
    if yarn := _object(params, "yarn"):
        rope |= {
            "rope_type": "yarn",
            "factor": yarn.get("factor"),
            "original_max_position_embeddings": yarn.get("original_max_position_embeddings"),
            "beta_fast": yarn.get("beta"),
            "beta_slow": yarn.get("alpha"),
            "attention_factor": None if flag(yarn, "apply_scale", True) else 1.0,
        }
    if scaling := _object(params, "llama_4_scaling"):
        original = integer(scaling, "original_max_position_embeddings", 16384)
        if rope.setdefault("original_max_position_embeddings", original) != original:
            raise UnsupportedArchitecture("'mistral' with two original contexts, for yarn and llama_4_scaling")
        rope["llama_4_scaling_beta"] = scaling.get("beta", 0.1)
    return rope


def _sliding_windows(params: Mapping[str, Any], num_layers: int) -> tuple[int | None, ...]:
    """One window for all layers, or a list that repeats over them; null is no window."""
    value = params.get("sliding_window")
    pattern = value if isinstance(value, list) and value else [value]
    windows = [
        None if window is None else integer({"sliding_window": window}, "sliding_window", 0) for window in pattern
    ]
    return tuple(windows[index % len(windows)] for index in range(num_layers))


def _object(params: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = params.get(name) or {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is {value!r:.60}: it must be an object")
    return value


def _entries(stored: Mapping[str, StoredTensor], architecture: Architecture) -> Iterator[tuple[str, TensorEntry]]:
    paired = {"attention.query": architecture.num_heads, "attention.key": architecture.num_kv_heads}
    for stored_name, tensor in stored.items():
        if _IGNORED.fullmatch(stored_name):
            continue
        module, _, kind = stored_name.rpartition(".")
        matches = ((pattern.fullmatch(module), ours) for pattern, ours in _PATTERNS)
        ours = next((match.expand(ours) for match, ours in matches if match), None)
        if ours is None or kind != "weight":
            raise CheckpointError(tensor.file.path, f"the tensor {stored_name!r:.80} is not part of a Mistral model")
        if ours == "head" and architecture.tied_embeddings:
            continue
        heads = next((heads for name, heads in paired.items() if ours.endswith(name)), 0)
        if heads and (not tensor.shape or tensor.shape[0] % (2 * heads)):
            raise CheckpointError(
                tensor.file.path, f"{stored_name} has the shape {list(tensor.shape)} for {heads} heads"
            )
        scale = stored.get(f"{module}.qscale_weight")
        yield f"{ours}.weight", tensor_entry(tensor, f"{ours}.weight", paired_heads=heads, scale=scale)
