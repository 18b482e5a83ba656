"""Rotary position embeddings: compute the frequencies, and rotate queries and keys by them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aquilon.models.architecture import (
    DynamicScaling,
    FrequencyDivisors,
    LinearScaling,
    Llama3Scaling,
    Rotary,
    YarnScaling,
)


def inverse_frequencies(rotary: Rotary, head_dim: int) -> Tensor:
    """Radians per position of each pair of dimensions, fp32 ``(head_dim / 2,)``.

    Computed on the CPU with the same operations as in transformers: at long positions
    one bit of difference in a frequency changes the logits.
    """
    scaling = rotary.scaling
    theta = rotary.theta
    if isinstance(scaling, DynamicScaling):
        theta *= (scaling.factor**2 - (scaling.factor - 1)) ** (head_dim / (head_dim - 2))
    wavelengths = theta ** (torch.arange(0, head_dim, 2, dtype=torch.int64).float() / head_dim)  # over 2 pi
    plain = 1.0 / wavelengths
    if isinstance(scaling, LinearScaling):
        return plain / scaling.factor
    if isinstance(scaling, FrequencyDivisors):
        return plain / torch.tensor(scaling.divisors, dtype=torch.float32)
    if isinstance(scaling, Llama3Scaling):
        return _llama3(scaling, plain)
    if isinstance(scaling, YarnScaling):
        return _yarn(scaling, theta=rotary.theta, head_dim=head_dim, wavelengths=wavelengths)
    return plain


def _llama3(scaling: Llama3Scaling, plain: Tensor) -> Tensor:
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    context = scaling.original_context
    wavelength = 2 * math.pi / plain
    smooth = (context / wavelength - low) / (high - low)
    between = (1 - smooth) * (plain / scaling.factor) + smooth * plain
    scaled = torch.where(wavelength > context / low, plain / scaling.factor, between)
    return torch.where(wavelength < context / high, plain, scaled)


def _yarn(scaling: YarnScaling, *, theta: float, head_dim: int, wavelengths: Tensor) -> Tensor:
    def dimension_of(rotations: float) -> float:
        """The dimension that makes so many rotations over the original context."""
        return head_dim * math.log(scaling.original_context / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low, high = dimension_of(scaling.beta_fast), dimension_of(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    if low == high:
        high += 0.001
    ramp = ((torch.arange(head_dim // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    extrapolated = 1 - ramp
    return 1.0 / (scaling.factor * wavelengths) * (1 - extrapolated) + 1.0 / wavelengths * extrapolated


class RotaryEmbedding:
    """Computes the factors that rotate queries and keys at given positions.

    Not a module, so that the frequencies stay fp32 when the model is cast to another dtype.
    """

    def __init__(self, rotary: Rotary, head_dim: int, device: torch.device | str) -> None:
        self.inverse_frequencies = inverse_frequencies(rotary, head_dim).to(device)
        self.attention_factor = rotary.scaling.attention_factor if isinstance(rotary.scaling, YarnScaling) else 1.0
        self.query_scale_beta = rotary.query_scale_beta
        self.query_scale_context = rotary.query_scale_context

    def __call__(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """``positions (T,)`` to cosine and sine, each fp32 ``(T, 1, head_dim / 2)``."""
        self.inverse_frequencies = self.inverse_frequencies.to(positions.device)
        angles = positions[:, None].float() * self.inverse_frequencies  # (T, head_dim / 2)
        return (angles.cos() * self.attention_factor)[:, None], (angles.sin() * self.attention_factor)[:, None]

    def query_scale(self, positions: Tensor) -> Tensor | None:
        """The factor on rotated queries, fp32 ``(T, 1, 1)``; None for models without such a scale."""
        if not self.query_scale_beta:
            return None
        steps = torch.floor(positions / self.query_scale_context)
        return (1 + self.query_scale_beta * torch.log(1 + steps))[:, None, None]


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate ``heads (T, H, head_dim)`` in fp32: dimension i with dimension i + head_dim / 2."""
    first, second = heads.float().chunk(2, dim=-1)  # (T, H, head_dim / 2) each
    rotated = torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)
    return rotated.to(heads.dtype)
