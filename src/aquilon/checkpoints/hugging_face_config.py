"""From a Hugging Face ``config.json`` to an architecture, with each family's defaults, and back.

The defaults are those of transformers' configuration classes, because older files
leave out the values that are equal to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any

from aquilon.checkpoints.config_fields import flag, integer, number
from aquilon.checkpoints.rope_config import parameters_from_rotary, rotary_from_parameters
from aquilon.models.architecture import Architecture, FrequencyDivisors, UnsupportedArchitecture


@dataclass(frozen=True)
class _Defaults:
    """The values of a family's configuration class for fields that a file leaves out."""

    family: str
    _: KW_ONLY
    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 14336
    num_layers: int = 32
    num_kv_heads: int | None = 8
    head_dim: int | None = None
    max_context: int = 131072
    norm_eps: float = 1e-6
    theta: float = 10000.0
    sliding_window: int | None = None


_QWEN2 = _Defaults(
    "qwen2", vocab_size=151936, intermediate_size=22016, num_kv_heads=32, max_context=32768, sliding_window=4096
)

_FAMILIES = {
    "llama": _Defaults("llama", intermediate_size=11008, num_kv_heads=None, max_context=2048),
    "mistral": _Defaults("mistral", sliding_window=4096),
    "ministral": _Defaults("mistral", sliding_window=4096),
    "ministral3": _Defaults(
        "mistral", vocab_size=131072, num_layers=34, head_dim=128, max_context=262144, norm_eps=1e-5, theta=1e6
    ),
    "mixtral": _Defaults("mixtral", norm_eps=1e-5, theta=1e6),
    "qwen2": _QWEN2,
    "qwen3": _Defaults(
        "qwen3",
        vocab_size=151936,
        intermediate_size=22016,
        num_kv_heads=32,
        head_dim=128,
        max_context=32768,
        sliding_window=4096,
    ),
}

_MINISTRAL3_ROPE = {
    "rope_type": "yarn",
    "rope_theta": 1e6,
    "factor": 16.0,
    "original_max_position_embeddings": 16384,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1,
}


def architecture_from_config(config: Mapping[str, Any]) -> Architecture:
    """The architecture that a ``config.json`` describes.

    Raises UnsupportedArchitecture for an architecture that isn't implemented, and ValueError,
    which names the field, for an invalid value.
    """
    name = config.get("model_type")
    if name == "mistral3":
        return _text_part(config)
    if not isinstance(name, str) or name not in _FAMILIES:
        raise UnsupportedArchitecture(repr(name) if name is not None else "without a model_type")
    defaults = _FAMILIES[name]
    if (activation := config.get("hidden_act", "silu")) != "silu":
        raise UnsupportedArchitecture(f"{name!r} with the activation {activation!r}")

    hidden_size = integer(config, "hidden_size", defaults.hidden_size)
    num_layers = integer(config, "num_hidden_layers", defaults.num_layers, at_most=1024)
    num_heads = integer(config, "num_attention_heads", 32)
    num_kv_heads = integer(config, "num_key_value_heads", defaults.num_kv_heads or num_heads)
    context = integer(config, "max_position_embeddings", defaults.max_context)
    rope = _rope_parameters(config, name, defaults)
    rotary, max_context = rotary_from_parameters(rope, context, scales_queries=name == "ministral3")
    bias = name == "qwen2" or (name in ("llama", "qwen3") and flag(config, "attention_bias"))
    return Architecture(
        family=defaults.family,
        vocab_size=integer(config, "vocab_size", defaults.vocab_size),
        hidden_size=hidden_size,
        intermediate_size=integer(config, "intermediate_size", defaults.intermediate_size),
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=integer(config, "head_dim", defaults.head_dim or max(1, hidden_size // num_heads)),
        norm_eps=number(config, "rms_norm_eps", defaults.norm_eps),
        max_context=max_context,
        rotary=rotary,
        sliding_windows=_sliding_windows(config, name, defaults=defaults, num_layers=num_layers),
        tied_embeddings=flag(config, "tie_word_embeddings"),
        attention_bias=bias,
        output_bias=bias and name != "qwen2",
        mlp_bias=name == "llama" and flag(config, "mlp_bias"),
        qk_norm=name == "qwen3",
        num_experts=integer(config, "num_local_experts", 8) if name == "mixtral" else 0,
        experts_per_token=integer(config, "num_experts_per_tok", 2) if name == "mixtral" else 0,
    )


def _text_part(config: Mapping[str, Any]) -> Architecture:
    """The language model inside Mistral 3's image-and-text model."""
    text = config.get("text_config")
    if not isinstance(text, Mapping):
        raise ValueError("a mistral3 config needs a text_config")
    name = text.get("model_type", "mistral")
    if name not in ("mistral", "ministral3"):
        raise UnsupportedArchitecture(f"'mistral3' with a text part {name!r}")
    tied = flag(text, "tie_word_embeddings") or flag(config, "tie_word_embeddings", True)
    return architecture_from_config({**text, "model_type": name, "tie_word_embeddings": tied})


def _rope_parameters(config: Mapping[str, Any], name: str, defaults: _Defaults) -> dict[str, Any]:
    """``rope_parameters`` as transformers 5 writes them, or the older ``rope_theta`` and ``rope_scaling``."""
    parameters = config.get("rope_scaling") or config.get("rope_parameters")
    if parameters is None:
        parameters = _MINISTRAL3_ROPE if name == "ministral3" else {}
    if not isinstance(parameters, Mapping):
        raise ValueError(f"rope_parameters is {parameters!r}: it must be an object")
    rope = dict(parameters)
    if any(isinstance(value, Mapping) for value in rope.values()):
        raise UnsupportedArchitecture(f"{name!r} with different rotary embeddings in different layers")
    if rope.get("rope_theta") is None:
        rope["rope_theta"] = number(config, "rope_theta", defaults.theta)
    partial = rope.get("partial_rotary_factor", config.get("partial_rotary_factor"))
    if partial not in (None, 1, 1.0):
        raise UnsupportedArchitecture(f"{name!r} with a partial rotary embedding")
    return rope


def _sliding_windows(
    config: Mapping[str, Any], name: str, *, defaults: _Defaults, num_layers: int
) -> tuple[int | None, ...]:
    if name == "llama" or (name.startswith("qwen") and not flag(config, "use_sliding_window")):
        return (None,) * num_layers
    size = config.get("sliding_window", defaults.sliding_window)
    if size is None:
        return (None,) * num_layers
    window = integer(config, "sliding_window", size)
    kinds = config.get("layer_types")
    if kinds is not None:
        if not isinstance(kinds, list) or not set(map(str, kinds)) <= {"sliding_attention", "full_attention"}:
            raise UnsupportedArchitecture(f"{name!r} with the layer types {kinds!r:.100}")
        return tuple(window if kind == "sliding_attention" else None for kind in kinds)
    first = integer(config, "max_window_layers", 28, at_least=0) if name.startswith("qwen") else 0
    return tuple(window if index >= first else None for index in range(num_layers))


_CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "ministral": "MinistralForCausalLM",
    "ministral3": "Ministral3ForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}


def config_from_architecture(architecture: Architecture) -> dict[str, Any]:
    """The ``config.json`` of an architecture, which transformers, vLLM and ``architecture_from_config`` read.

    Raises ValueError for a combination that no class of transformers computes, naming the fields.
    """
    a = architecture
    name = _model_type(a)
    rope, context = parameters_from_rotary(a.rotary, a.max_context, a.head_dim)
    config: dict[str, Any] = {
        "architectures": [_CLASSES[name]],
        "model_type": name,
        "vocab_size": a.vocab_size,
        "hidden_size": a.hidden_size,
        "intermediate_size": a.intermediate_size,
        "num_hidden_layers": a.num_layers,
        "num_attention_heads": a.num_heads,
        "num_key_value_heads": a.num_kv_heads,
        "head_dim": a.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": context,
        "rms_norm_eps": a.norm_eps,
        "rope_parameters": rope,
        "rope_theta": a.rotary.theta,  # with rope_scaling, for readers that are older than rope_parameters
        "tie_word_embeddings": a.tied_embeddings,
    }
    if rope["rope_type"] != "default":
        config["rope_scaling"] = rope
    if name in ("llama", "qwen3"):
        config["attention_bias"] = a.attention_bias
    if name == "llama":
        config["mlp_bias"] = a.mlp_bias
    else:
        config |= _window_fields(a, name)
    if name == "mixtral":
        config |= {"num_local_experts": a.num_experts, "num_experts_per_tok": a.experts_per_token}
    _check_equal(a, architecture_from_config(config), name)
    return config


def _model_type(a: Architecture) -> str:
    if a.num_experts:
        return "mixtral"
    if a.qk_norm:
        return "qwen3"
    if a.attention_bias and not a.output_bias:
        return "qwen2"
    if a.rotary.query_scale_beta:
        return "ministral3"
    if len(set(a.sliding_windows)) > 1:
        return "ministral"
    return "mistral" if a.family == "mistral" or a.sliding_windows[0] else "llama"


def _window_fields(a: Architecture, name: str) -> dict[str, Any]:
    window = next((window for window in a.sliding_windows if window), None)
    fields: dict[str, Any] = {"sliding_window": window}
    if name.startswith("qwen"):
        fields |= {"use_sliding_window": window is not None, "max_window_layers": 0}
    if name == "ministral" or (name.startswith("qwen") and window is not None):
        fields["layer_types"] = ["sliding_attention" if size else "full_attention" for size in a.sliding_windows]
    return fields


def _check_equal(wanted: Architecture, written: Architecture, name: str) -> None:
    """Raises ValueError unless a configuration was read back as what was to be written."""
    differing = [
        field.name
        for field in fields(Architecture)
        if field.name not in ("family", "rotary") and getattr(wanted, field.name) != getattr(written, field.name)
    ]
    if not isinstance(wanted.rotary.scaling, FrequencyDivisors):  # written as Llama 3's scaling, which was compared
        context = written.rotary.query_scale_context  # without a meaning where queries aren't scaled
        rotary = wanted.rotary
        if (rotary if rotary.query_scale_beta else replace(rotary, query_scale_context=context)) != written.rotary:
            differing.append("rotary")
    if differing:
        values = ", ".join(f"{field} {getattr(wanted, field)!r:.80}" for field in differing)
        raise ValueError(f"no model of transformers computes this one: as a {name} it would lose {values}")
