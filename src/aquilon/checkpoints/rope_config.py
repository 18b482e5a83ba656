"""Rotary embeddings, from the parameters in configuration files and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aquilon.checkpoints.config_fields import flag, integer, number
from aquilon.models.architecture import (
    DynamicScaling,
    FrequencyDivisors,
    LinearScaling,
    Llama3Scaling,
    Rotary,
    Scaling,
    UnsupportedArchitecture,
    YarnScaling,
)


def rotary_from_parameters(
    rope: Mapping[str, Any], context: int, *, scales_queries: bool = False
) -> tuple[Rotary, int]:
    """Rotary embedding and longest context from ``rope_parameters`` and ``max_position_embeddings``.

    Raises UnsupportedArchitecture or ValueError.
    """
    kind = rope.get("rope_type") or rope.get("type") or "default"
    theta = number(rope, "rope_theta", 10000.0, above=0.0)
    original = integer(rope, "original_max_position_embeddings", context, at_most=2**30)
    if kind != "default":
        factor = number(rope, "factor", max(1.0, context / original), above=0.0)
    scaling: Scaling | None = None
    match kind:
        case "default":
            pass
        case "linear":
            scaling, context = LinearScaling(factor), int(context * factor)
        case "dynamic":
            scaling, context = DynamicScaling(factor, context), int(context * factor)
        case "llama3":
            low, high = number(rope, "low_freq_factor", 1.0, above=0.0), number(rope, "high_freq_factor", 4.0)
            if high <= low:
                raise ValueError(f"high_freq_factor ({high}) must be more than low_freq_factor ({low})")
            scaling = Llama3Scaling(
                factor=factor, low_frequency_factor=low, high_frequency_factor=high, original_context=original
            )
        case "yarn":
            scaling = YarnScaling(
                factor=factor,
                original_context=original,
                attention_factor=_yarn_attention_factor(rope, factor),
                beta_fast=number(rope, "beta_fast", 32.0, above=0.0),
                beta_slow=number(rope, "beta_slow", 1.0, above=0.0),
                truncate=flag(rope, "truncate", True),
            )
            context = max(context, int(original * factor))
        case _:
            raise UnsupportedArchitecture(f"with the rotary embedding {kind!r:.40}")
    if kind == "yarn" and theta <= 1:
        raise ValueError(f"rope_theta is {theta}: it must be more than 1")
    beta = number(rope, "llama_4_scaling_beta", 0.0) if scales_queries else 0.0
    return Rotary(theta, scaling, query_scale_beta=beta, query_scale_context=original), context


def _yarn_attention_factor(rope: Mapping[str, Any], factor: float) -> float:
    """The paper's factor on cosine and sine, or the quotient that ``mscale`` and ``mscale_all_dim`` ask for."""
    if rope.get("attention_factor") is not None:
        return number(rope, "attention_factor", 1.0)

    def magnitude(scale: float) -> float:
        return 0.1 * scale * math.log(factor) + 1.0 if factor > 1 else 1.0

    numerator, denominator = number(rope, "mscale", 0.0), number(rope, "mscale_all_dim", 0.0)
    return magnitude(numerator) / magnitude(denominator) if numerator and denominator else magnitude(1.0)


def parameters_from_rotary(rotary: Rotary, max_context: int, head_dim: int) -> tuple[dict[str, Any], int]:
    """``rope_parameters`` and ``max_position_embeddings``, of which ``rotary_from_parameters`` makes the same.

    Raises ValueError for divisors of frequencies that no parameters describe.
    """
    scaling, context = rotary.scaling, max_context
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": rotary.theta}
    if isinstance(scaling, FrequencyDivisors):
        scaling = _llama3_from_divisors(scaling.divisors, rotary.theta, head_dim)
    match scaling:
        case LinearScaling():
            rope |= {"rope_type": "linear", "factor": scaling.factor}
            context = round(max_context / scaling.factor)
        case DynamicScaling():
            rope |= {"rope_type": "dynamic", "factor": scaling.factor}
            context = scaling.original_context
        case Llama3Scaling():
            rope |= {
                "rope_type": "llama3",
                "factor": scaling.factor,
                "low_freq_factor": scaling.low_frequency_factor,
                "high_freq_factor": scaling.high_frequency_factor,
                "original_max_position_embeddings": scaling.original_context,
            }
        case YarnScaling():
            rope |= {
                "rope_type": "yarn",
                "factor": scaling.factor,
                "original_max_position_embeddings": scaling.original_context,
                "attention_factor": scaling.attention_factor,
                "beta_fast": scaling.beta_fast,
                "beta_slow": scaling.beta_slow,
                "truncate": scaling.truncate,
            }
    if rotary.query_scale_beta:
        rope["llama_4_scaling_beta"] = rotary.query_scale_beta
        rope["original_max_position_embeddings"] = rotary.query_scale_context
    return rope, context


def _llama3_from_divisors(divisors: Sequence[float], theta: float, head_dim: int) -> Llama3Scaling:
    """The scaling that GGUF's converter computed the divisors from: all Llama 3 models have the same limits."""
    scaling = Llama3Scaling(
        factor=round(max(divisors), 3), low_frequency_factor=1.0, high_frequency_factor=4.0, original_context=8192
    )
    expected = llama3_divisors(scaling, theta, head_dim)
    if len(divisors) != len(expected) or not all(map(_is_close, divisors, expected)):
        raise ValueError("its rotary frequencies have divisors that aren't those of Llama 3's scaling")
    return scaling


def llama3_divisors(scaling: Llama3Scaling, theta: float, head_dim: int) -> list[float]:
    """What each frequency is divided by, the fastest first."""
    divisors = []
    for index in range(0, head_dim, 2):
        rotations = scaling.original_context / (2 * math.pi * theta ** (index / head_dim))
        smooth = (rotations - scaling.low_frequency_factor) / (
            scaling.high_frequency_factor - scaling.low_frequency_factor
        )
        smooth = min(1.0, max(0.0, smooth))
        divisors.append(1 / ((1 - smooth) / scaling.factor + smooth))
    return divisors


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-4)
