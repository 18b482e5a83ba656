"""Attention in training: causal within each document of a row, over rows that lie side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from aquilon.models.architecture import Architecture


class DocumentAttention:
    """The quick twin of `DenseCausalAttention`: documents of one length are computed together, without a mask."""

    def __init__(self, lengths: Sequence[int], architecture: Architecture, device: torch.device) -> None:
        """``lengths``: tokens of each document, in order; their sum is T."""
        self._windows = architecture.sliding_windows
        starts: dict[int, list[int]] = {}
        position = 0
        for length in lengths:
            starts.setdefault(length, []).append(position)
            position += length
        self._whole = len(starts) == 1
        self._groups = [
            (length, (torch.tensor(first)[:, None] + torch.arange(length)).flatten().to(device))
            for length, first in starts.items()
        ]
        self._lengths = list(lengths)

    def __call__(self, layer: int, *, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        window = self._windows[layer]
        if self._whole:
            return self._attend(query, key, value, length=self._lengths[0], window=window)
        output = torch.empty_like(query)
        for length, rows in self._groups:
            attended = self._attend(query[rows], key[rows], value[rows], length=length, window=window)
            output = output.index_copy(0, rows, attended)
        return output

    @staticmethod
    def _attend(query: Tensor, key: Tensor, value: Tensor, *, length: int, window: int | None) -> Tensor:
        q, k, v = (
            part.view(-1, length, *part.shape[1:]).transpose(1, 2) for part in (query, key, value)
        )  # (B, H, L, D)
        mask = None
        if window is not None and window < length:
            distance = torch.arange(length, device=q.device)[:, None] - torch.arange(length, device=q.device)
            mask = (distance >= 0) & (distance < window)  # (L, L)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=True)
        return attended.transpose(1, 2).flatten(0, 1)  # (T, H, D)
