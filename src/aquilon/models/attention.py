"""The interface between a transformer and its attention, and dense attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from aquilon.models.architecture import Architecture


class Attention(Protocol):
    """Causal attention over a flat batch. Rotary is already applied; a cache, if any, belongs to the implementation."""

    def __call__(self, layer: int, *, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """``query (T, num_heads, head_dim)``, ``key`` and ``value (T, num_kv_heads, head_dim)`` of this step's
        tokens to ``(T, num_heads, head_dim)``."""
        ...


class DenseCausalAttention:
    """Attention within whole sequences that lie side by side: the twin of paged attention."""

    def __init__(self, sequence_lengths: Sequence[int], architecture: Architecture) -> None:
        self.sequence_lengths = list(sequence_lengths)
        self.sliding_windows = architecture.sliding_windows

    def __call__(self, layer: int, *, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        window = self.sliding_windows[layer]
        outputs = []
        sequences = (torch.split(part, self.sequence_lengths) for part in (query, key, value))
        for q, k, v in zip(*sequences, strict=True):  # (L, H, head_dim)
            length = len(q)
            distance = torch.arange(length, device=q.device)[:, None] - torch.arange(length, device=q.device)
            visible = (distance >= 0) & (distance < (window or length))  # (L, L)
            attended = scaled_dot_product_attention(
                q.transpose(0, 1)[None],
                k.transpose(0, 1)[None],
                v.transpose(0, 1)[None],
                attn_mask=visible,
                enable_gqa=True,
            )
            outputs.append(attended[0].transpose(0, 1))
        return torch.cat(outputs)
