"""From a Hugging Face ``config.json`` to an architecture, with each family's defaults.

The defaults are those of transformers' configuration classes, because older files
leave out the values that are equal to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from aquilon.checkpoints.config_fields import flag, integer, number
from aquilon.checkpoints.rope_config import rotary_from_parameters
from aquilon.models.architecture import Architecture, UnsupportedArchitecture


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
