"""Rotary embeddings, from the parameters in configuration files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aquilon.checkpoints.config_fields import flag, integer, number
from aquilon.models.architecture import (
    DynamicScaling,
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
