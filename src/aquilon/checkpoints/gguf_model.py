"""The architecture and tensors of a model in a GGUF file, whose names are llama.cpp's."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.config_fields import integer, number
from aquilon.checkpoints.gguf_file import GGUFFile, GGUFTensor, read_gguf
from aquilon.checkpoints.rope_config import rotary_from_parameters
from aquilon.checkpoints.tensors import BLOCK_SIZES, CheckpointError, TensorEntry, check_tensors
from aquilon.models.architecture import Architecture, FrequencyDivisors, Rotary, UnsupportedArchitecture, YarnScaling

GGUF_FAMILIES = {"llama": "llama", "mistral3": "mistral", "qwen2": "qwen2", "qwen3": "qwen3"}
"""``general.architecture`` of the files that are read, and the family of each (Mixtral is a llama with experts)."""

PAIRED = ("llama", "mistral3")
"""Architectures whose queries and keys llama.cpp reorders for its own rotary embedding."""

TOP = {
    "token_embd.weight": "embedding.weight",
    "output_norm.weight": "norm.weight",
    "output.weight": "head.weight",
}
IN_LAYER = {
    "attn_norm": "attention_norm",
    "attn_q": "attention.query",
    "attn_k": "attention.key",
    "attn_v": "attention.value",
    "attn_q_norm": "attention.query_norm",
    "attn_k_norm": "attention.key_norm",
    "attn_output": "attention.output",
    "ffn_norm": "mlp_norm",
    "ffn_gate_inp": "mlp.router",
    "ffn_gate": "mlp.gate",
    "ffn_up": "mlp.up",
    "ffn_down": "mlp.down",
}
_LAYER_TENSOR = re.compile(r"blk\.(\d+)\.(\w+?)(?:\.(\d+))?\.(weight|bias)")
_IGNORED = re.compile(r"rope_freqs\.weight|blk\.\d+\.(attn_rot_embd|rope_freqs)\.weight")

_SPLIT_NAME = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")

# Control tokens that end a turn, in addition to the file's own keys: converters often name only one of several.
_END_TOKENS = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "<|end|>", "</s>"}
_CONTROL = 3


def open_gguf(path: Path) -> Checkpoint:
    """Open a GGUF file, and its further parts where it was split; raises CheckpointError, UnsupportedArchitecture."""
    parts = _parts(path)
    metadata = parts[0].metadata
    stored = {name: (part, tensor) for part in parts for name, tensor in part.tensors.items()}
    if len(stored) != sum(len(part.tensors) for part in parts):
        raise CheckpointError(path, "its parts hold the same tensor twice")
    name = metadata.get("general.architecture")
    if not isinstance(name, str):
        raise CheckpointError(path, "general.architecture is missing")
    if name not in GGUF_FAMILIES:
        raise UnsupportedArchitecture(f"{name!r:.80}")
    try:
        architecture = _architecture(name, metadata, stored)
        entries = {entry.name: entry for entry in _entries(path, name=name, architecture=architecture, stored=stored)}
        eos_ids = _eos_ids(metadata, architecture.vocab_size)
        temperature = number(metadata, "general.sampling.temp", -1.0)
    except (UnsupportedArchitecture, CheckpointError):
        raise
    except ValueError as error:
        raise CheckpointError(path, str(error)) from error
    check_tensors(architecture, entries, path)
    return Checkpoint(
        path=path,
        format="gguf",
        architecture=architecture,
        metadata=metadata,
        files=[part.file.path for part in parts],
        entries=entries,
        eos_ids=eos_ids,
        default_temperature=temperature if temperature >= 0 else None,
    )


def _parts(path: Path) -> list[GGUFFile]:
    first = read_gguf(path)
    count = first.metadata.get("split.count", 1)
    if count in (0, 1):
        return [first]
    match = _SPLIT_NAME.fullmatch(path.name)
    if not isinstance(count, int) or not 1 < count <= 99999 or not match or int(match[3]) != count:
        raise CheckpointError(path, f"is one of {count!r:.20} parts and is not named as NAME-00001-of-0000N.gguf")
    names = [path.with_name(f"{match[1]}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1)]
    missing = [name for name in names if not name.exists()]
    if missing:
        raise CheckpointError(path, f"{missing[0].name} is missing, one of {count} parts")
    return [read_gguf(name) for name in names]


_Stored = Mapping[str, tuple[GGUFFile, GGUFTensor]]


def _architecture(name: str, metadata: Mapping[str, Any], stored: _Stored) -> Architecture:
    prefix = f"{name}."
    own = {key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)}
    if "token_embd.weight" not in stored:
        raise ValueError("the tensor token_embd.weight is missing")
    for required in ("block_count", "embedding_length", "feed_forward_length", "attention.head_count"):
        if required not in own:
            raise ValueError(f"{prefix}{required} is missing")
    hidden_size = integer(own, "embedding_length", 0)
    num_layers = integer(own, "block_count", 0, at_most=1024)
    num_heads = integer(own, "attention.head_count", 0)
    head_dim = integer(own, "attention.key_length", max(1, hidden_size // num_heads))
    for same in ("attention.value_length", "rope.dimension_count"):
        if integer(own, same, head_dim) != head_dim:
            raise UnsupportedArchitecture(f"{name!r} with {same} {own[same]} and heads of {head_dim}")
    scale = number(own, "attention.scale", 0.0)
    if scale and not math.isclose(scale, head_dim**-0.5, rel_tol=1e-4):
        raise UnsupportedArchitecture(f"{name!r} with attention.scale {scale}")
    rotary, max_context = _rotary(own, stored)
    window = integer(own, "attention.sliding_window", 0, at_least=0) or None
    num_experts = integer(own, "expert_count", 0, at_least=0, at_most=1024)
    return Architecture(
        family="mixtral" if num_experts else GGUF_FAMILIES[name],
        vocab_size=stored["token_embd.weight"][1].shape[0],
        hidden_size=hidden_size,
        intermediate_size=integer(own, "feed_forward_length", 0),
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=integer(own, "attention.head_count_kv", num_heads),
        head_dim=head_dim,
        norm_eps=number(own, "attention.layer_norm_rms_epsilon", 1e-5),
        max_context=max_context,
        rotary=rotary,
        sliding_windows=(window,) * num_layers,
        tied_embeddings="output.weight" not in stored,
        attention_bias="blk.0.attn_q.bias" in stored,
        output_bias="blk.0.attn_output.bias" in stored,
        mlp_bias="blk.0.ffn_down.bias" in stored,
        qk_norm="blk.0.attn_q_norm.weight" in stored,
        num_experts=num_experts,
        experts_per_token=integer(own, "expert_used_count", 2) if num_experts else 0,
    )


def _rotary(own: Mapping[str, Any], stored: _Stored) -> tuple[Rotary, int]:
    """The rotary embedding and the context, from llama.cpp's metadata and the scaling that it stores as a tensor."""
    context = integer(own, "context_length", 2048)
    kind = own.get("rope.scaling.type", "linear" if own.get("rope.scale_linear") else "none")
    factor = own.get("rope.scaling.factor") or own.get("rope.scale_linear") or 1.0
    rope: dict[str, Any] = {
        "rope_type": "default" if kind == "none" else kind,
        "rope_theta": own.get("rope.freq_base", 10000.0),
        "factor": factor,
        "original_max_position_embeddings": own.get("rope.scaling.original_context_length") or context,
    }
    if kind == "yarn":
        rope |= {
            "beta_fast": own.get("rope.scaling.yarn_beta_fast"),
            "beta_slow": own.get("rope.scaling.yarn_beta_slow"),
            "mscale": 1.0,
            "mscale_all_dim": own.get("rope.scaling.yarn_log_multiplier"),
        }
    rope["llama_4_scaling_beta"] = own.get("attention.temperature_scale")
    rotary, extended_context = rotary_from_parameters(rope, context, scales_queries=True)
    if isinstance(rotary.scaling, YarnScaling):
        context = extended_context
        attention_factor = rotary.scaling.attention_factor * number(own, "rope.scaling.attn_factor", 1.0)
        rotary = replace(rotary, scaling=replace(rotary.scaling, attention_factor=attention_factor))
    if "rope_freqs.weight" in stored:
        file, tensor = stored["rope_freqs.weight"]
        if tensor.block_type != "F32" or not 1 <= math.prod(tensor.shape) <= 2**14:
            raise ValueError(f"rope_freqs.weight is {tensor.block_type} of the shape {list(tensor.shape)}")
        with file.file.path.open("rb") as opened:
            opened.seek(tensor.offset)
            count = math.prod(tensor.shape)
            divisors = struct.unpack(f"<{count}f", opened.read(4 * count))
        if not all(math.isfinite(divisor) and divisor > 0 for divisor in divisors):
            raise ValueError("rope_freqs.weight holds a value that is not a positive number")
        if rotary.scaling is not None:
            raise UnsupportedArchitecture(f"with rope_freqs and the rotary scaling {kind!r}")
        rotary = replace(rotary, scaling=FrequencyDivisors(divisors))
    return rotary, context


def _entries(path: Path, *, name: str, architecture: Architecture, stored: _Stored) -> Iterator[TensorEntry]:
    paired = {"attention.query": architecture.num_heads, "attention.key": architecture.num_kv_heads}
    for stored_name, (part, tensor) in stored.items():
        if _IGNORED.fullmatch(stored_name):
            continue
        if stored_name in TOP:
            yield TensorEntry(TOP[stored_name], tensor.shape, tensor.block_type, file=part.file, offset=tensor.offset)
            continue
        match = _LAYER_TENSOR.fullmatch(stored_name)
        if not match:
            raise CheckpointError(path, f"the tensor {stored_name!r:.80} is not part of a {name} model")
        layer, module, expert, kind = match.groups()
        if expert is None and module.endswith("_exps") and IN_LAYER.get(module.removesuffix("_exps")):
            yield from _experts(
                path, part, tensor, layer=f"layers.{layer}", module=IN_LAYER[module.removesuffix("_exps")], kind=kind
            )
        elif module in IN_LAYER:
            ours = IN_LAYER[module] if expert is None else IN_LAYER[module].replace("mlp.", f"mlp.experts.{expert}.")
            heads = paired.get(ours, 0) if name in PAIRED else 0
            if heads and tensor.shape[0] % (2 * heads):
                raise CheckpointError(path, f"{stored_name} has {tensor.shape[0]} rows for {heads} heads")
            full_name = f"layers.{layer}.{ours}.{kind}"
            yield TensorEntry(
                full_name, tensor.shape, tensor.block_type, file=part.file, offset=tensor.offset, paired_heads=heads
            )
        else:
            raise CheckpointError(path, f"the tensor {stored_name!r:.80} is not part of a {name} model")


def _experts(
    path: Path, part: GGUFFile, tensor: GGUFTensor, *, layer: str, module: str, kind: str
) -> Iterator[TensorEntry]:
    """One entry for each expert of a tensor that stacks them."""
    if len(tensor.shape) < 2 or tensor.shape[0] > 1024:
        raise CheckpointError(path, f"{tensor.name} has the shape {list(tensor.shape)}")
    values, size = BLOCK_SIZES[tensor.block_type]
    stride = math.prod(tensor.shape[1:]) // values * size
    for expert in range(tensor.shape[0]):
        name = f"{layer}.{module.replace('mlp.', f'mlp.experts.{expert}.')}.{kind}"
        yield TensorEntry(
            name, tensor.shape[1:], tensor.block_type, file=part.file, offset=tensor.offset + expert * stride
        )


def _eos_ids(metadata: Mapping[str, Any], vocab_size: int) -> frozenset[int]:
    keys = [f"tokenizer.ggml.{kind}_token_id" for kind in ("eos", "eot", "eom")]
    ids = {integer(metadata, key, 0, at_least=0) for key in keys if key in metadata}
    tokens, kinds = metadata.get("tokenizer.ggml.tokens"), metadata.get("tokenizer.ggml.token_type")
    if isinstance(tokens, list) and isinstance(kinds, list) and len(tokens) == len(kinds):
        ids |= {id for id, token in enumerate(tokens) if token in _END_TOKENS and kinds[id] == _CONTROL}
    return frozenset(id for id in ids if id < vocab_size)
