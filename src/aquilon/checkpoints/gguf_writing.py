"""Write a model as a GGUF file, which llama.cpp, Ollama and this program read: bf16, or blocks of 8 or 4 bits.

Keys and names are those of llama.cpp's converter. Tensors are quantized and written one
after the other, so that a model may be larger than the memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import torch
from gguf.quants import quantize
from torch import Tensor

from aquilon.checkpoints.gguf_model import IN_LAYER, PAIRED, TOP, open_gguf
from aquilon.checkpoints.rope_config import llama3_divisors
from aquilon.checkpoints.tensors import BLOCK_SIZES
from aquilon.models.architecture import (
    Architecture,
    FrequencyDivisors,
    LinearScaling,
    Llama3Scaling,
    YarnScaling,
)

GgufType = Literal["bf16", "q8_0", "q4_0"]

_TYPES = {
    "bf16": (gguf.LlamaFileType.MOSTLY_BF16, gguf.GGMLQuantizationType.BF16),
    "q8_0": (gguf.LlamaFileType.MOSTLY_Q8_0, gguf.GGMLQuantizationType.Q8_0),
    "q4_0": (gguf.LlamaFileType.MOSTLY_Q4_0, gguf.GGMLQuantizationType.Q4_0),
}
_F32, _BF16, _Q8_0 = (gguf.GGMLQuantizationType[name] for name in ("F32", "BF16", "Q8_0"))
_VALUES_AT_ONCE = 2**24
"""Quantizing takes several times the memory of the values."""

_BACK = {ours: theirs for theirs, ours in IN_LAYER.items()} | {
    ours.removesuffix(".weight"): theirs.removesuffix(".weight") for theirs, ours in TOP.items()
}

Weights = Callable[[str], Tensor]


def write_gguf(
    path: Path,
    architecture: Architecture,
    weights: Weights,
    *,
    type_: GgufType = "bf16",
    vocabulary: Mapping[str, Any],
    description: Mapping[str, str] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Write one file; ``weights`` returns a weight by its name in ``Architecture.parameter_shapes``.

    ``vocabulary`` holds the keys ``tokenizer.*``, ``description`` such as ``name`` and ``license``. With q4_0 the
    embedding and the head have 8 bits, since they lose most. Raises ValueError for a model that llama.cpp doesn't
    compute.
    """
    name = _architecture_name(architecture)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, name)
    try:
        for key, value in (description or {}).items():
            writer.add_string(f"general.{key}", value)
        writer.add_file_type(_TYPES[type_][0])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        _add_numbers(writer, architecture)
        for key, value in vocabulary.items():
            _add(writer, key, value)
        tensors = list(_tensors(architecture, name, _TYPES[type_][1]))
        divisors = _divisors(architecture)
        if divisors is not None:
            writer.add_tensor_info("rope_freqs.weight", divisors.shape, divisors.dtype, divisors.nbytes, _F32)
        for tensor in tensors:
            writer.add_tensor_info(
                tensor.name, tensor.shape, np.dtype(np.float32), tensor.nbytes, raw_dtype=tensor.block_type
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if divisors is not None:
            writer.write_tensor_data(divisors)
        done, total = 0, architecture.parameters()
        progress(0.0)
        for tensor in tensors:
            writer.write_tensor_data(tensor.blocks(weights))
            done += math.prod(tensor.shape)
            progress(done / total)
    finally:
        writer.close()
    _check_equal(architecture, open_gguf(path).architecture, name)


class _Tensor:
    """One tensor of the file: a weight, or the same weight of all experts on top of each other."""

    def __init__(
        self,
        name: str,
        sources: list[str],
        shape: tuple[int, ...],
        *,
        block_type: gguf.GGMLQuantizationType,
        heads: int,
    ) -> None:
        self.name, self._sources = name, sources
        self.shape = shape if len(sources) == 1 else (len(sources), *shape)
        values, _ = BLOCK_SIZES[block_type.name]
        if len(shape) == 1 or name.endswith("ffn_gate_inp.weight"):
            block_type = _F32
        elif shape[-1] % values:
            block_type = _BF16
        self.block_type, self._heads = block_type, heads
        values, size = BLOCK_SIZES[block_type.name]
        self.nbytes = math.prod(self.shape) // values * size

    def blocks(self, weights: Weights) -> np.ndarray[Any, Any]:
        parts = [self._quantized(weights(source)) for source in self._sources]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _quantized(self, weight: Tensor) -> np.ndarray[Any, Any]:
        weight = weight.detach().to("cpu")
        if self._heads:  # the two dimensions of a rotary pair, half a head apart, side by side
            weight = weight.reshape(self._heads, 2, -1, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
        if self.block_type == _BF16:
            return weight.to(torch.bfloat16).contiguous().view(torch.uint8).numpy()
        values = weight.float().contiguous().numpy()
        if self.block_type == _F32:
            return values
        rows = max(1, _VALUES_AT_ONCE // values.shape[-1])
        return np.concatenate([quantize(values[at : at + rows], self.block_type) for at in range(0, len(values), rows)])


def _architecture_name(a: Architecture) -> str:
    """The ``general.architecture`` that computes this model. Raises ValueError if there is none."""
    if len(set(a.sliding_windows)) > 1:
        raise ValueError("its layers have different sliding windows, which llama.cpp has no key for")
    scaling = type(a.rotary.scaling).__name__
    if scaling == "DynamicScaling" or (isinstance(a.rotary.scaling, YarnScaling) and not a.rotary.scaling.truncate):
        raise ValueError(f"its rotary embedding has the scaling {scaling}, which llama.cpp doesn't compute")
    if a.qk_norm:
        name = "qwen3"
        if a.attention_bias or a.output_bias or a.mlp_bias or a.num_experts:
            raise ValueError("it has norms on queries and keys and also biases or experts, which llama.cpp doesn't")
    elif a.attention_bias and not a.output_bias:
        name = "qwen2"
        if a.mlp_bias or a.num_experts:
            raise ValueError("it has biases on queries and keys and also in its feed-forward layers, or experts")
        if a.num_heads * a.head_dim != a.hidden_size:
            raise ValueError(
                f"llama.cpp computes Qwen 2 with heads of {a.hidden_size // a.num_heads}, not {a.head_dim}"
            )
    else:
        name = "mistral3" if a.rotary.query_scale_beta else "llama"
    return name


def _add_numbers(writer: gguf.GGUFWriter, a: Architecture) -> None:
    writer.add_block_count(a.num_layers)
    writer.add_context_length(a.max_context)
    writer.add_embedding_length(a.hidden_size)
    writer.add_feed_forward_length(a.intermediate_size)
    writer.add_head_count(a.num_heads)
    writer.add_head_count_kv(a.num_kv_heads)
    writer.add_key_length(a.head_dim)
    writer.add_value_length(a.head_dim)
    writer.add_rope_dimension_count(a.head_dim)
    writer.add_rope_freq_base(a.rotary.theta)
    writer.add_layer_norm_rms_eps(a.norm_eps)
    writer.add_vocab_size(a.vocab_size)
    if a.sliding_windows[0] is not None:
        writer.add_sliding_window(a.sliding_windows[0])
    if a.num_experts:
        writer.add_expert_count(a.num_experts)
        writer.add_expert_used_count(a.experts_per_token)
    if a.rotary.query_scale_beta:
        writer.add_attn_temperature_scale(a.rotary.query_scale_beta)
        writer.add_rope_scaling_orig_ctx_len(a.rotary.query_scale_context)
    scaling = a.rotary.scaling
    if isinstance(scaling, LinearScaling):
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling.factor)
    if isinstance(scaling, YarnScaling):
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling.factor)
        writer.add_rope_scaling_orig_ctx_len(scaling.original_context)
        writer.add_rope_scaling_yarn_beta_fast(scaling.beta_fast)
        writer.add_rope_scaling_yarn_beta_slow(scaling.beta_slow)
        usual = 0.1 * math.log(scaling.factor) + 1 if scaling.factor > 1 else 1.0  # which llama.cpp multiplies with
        writer.add_rope_scaling_attn_factors(scaling.attention_factor / usual)


def _divisors(a: Architecture) -> np.ndarray[Any, Any] | None:
    """The divisors of the rotary frequencies, where the scaling is stored as a tensor."""
    scaling = a.rotary.scaling
    if isinstance(scaling, FrequencyDivisors):
        return np.array(scaling.divisors, np.float32)
    if isinstance(scaling, Llama3Scaling):
        return np.array(llama3_divisors(scaling, a.rotary.theta, a.head_dim), np.float32)
    return None


def _tensors(a: Architecture, name: str, block_type: gguf.GGMLQuantizationType) -> Iterator[_Tensor]:
    heads = {"attention.query": a.num_heads, "attention.key": a.num_kv_heads} if name in PAIRED else {}
    shapes = a.parameter_shapes()
    for ours, shape in shapes.items():
        module, _, kind = ours.rpartition(".")
        if not module.startswith("layers."):
            kept = _Q8_0 if block_type.name == "Q4_0" else block_type
            yield _Tensor(f"{_BACK[module]}.{kind}", [ours], shape, block_type=kept, heads=0)
            continue
        _, layer, inside = module.split(".", 2)
        sources = [ours]
        if inside.startswith("mlp.experts."):
            _, _, expert, part = inside.split(".")
            if expert != "0":
                continue
            sources = [f"layers.{layer}.mlp.experts.{number}.{part}.{kind}" for number in range(a.num_experts)]
            theirs = f"{_BACK[f'mlp.{part}']}_exps"
        else:
            theirs = _BACK[inside]
        yield _Tensor(f"blk.{layer}.{theirs}.{kind}", sources, shape, block_type=block_type, heads=heads.get(inside, 0))


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    """A value of a vocabulary, with the type that llama.cpp expects."""
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value) if value >= 0 else writer.add_int32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def _check_equal(wanted: Architecture, written: Architecture, name: str) -> None:
    """Raises ValueError unless the file was read back as the model that was to be written.

    Numbers are stored as 32-bit floats, and a rotary scaling as a tensor: they are compared loosely, or not at all.
    """
    plain = {"family": "", "rotary": written.rotary, "norm_eps": 1e-5}
    for kind in ("theta", "query_scale_beta"):
        one, other = getattr(wanted.rotary, kind), getattr(written.rotary, kind)
        if not math.isclose(one, other, rel_tol=1e-6):
            raise ValueError(f"as a {name} in a GGUF file its rotary {kind} {one} would become {other}")
    if replace(wanted, **plain) != replace(written, **plain):  # type: ignore[arg-type]
        raise ValueError(f"as a {name} in a GGUF file it would become {written}")
