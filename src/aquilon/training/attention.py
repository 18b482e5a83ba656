"""Attention in training: causal within each document of a row, over rows that lie side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from aquilon.models.architecture import Architecture
from aquilon.models.attention import Attention
from aquilon.training.block_attention import LONGEST, SHORTEST, block_causal_attention


def document_attention(
    lengths: Sequence[int], architecture: Architecture, device: torch.device, dtype: torch.dtype
) -> Attention:
    """The quickest attention for this device: ``lengths`` are the tokens of each document, in order."""
    if device.type == "cuda" and dtype in (torch.bfloat16, torch.float16):
        return VariableLengthAttention(lengths, architecture, device)
    return DocumentAttention(lengths, architecture, device)


class VariableLengthAttention:
    """Flash attention over documents of any length in one call, for GPUs (arXiv:2307.08691)."""

    def __init__(self, lengths: Sequence[int], architecture: Architecture, device: torch.device) -> None:
        self._windows = architecture.sliding_windows
        self._longest = max(lengths)
        ends = torch.tensor([0, *lengths]).cumsum(0)
        self._bounds = ends.to(device, torch.int32)  # (documents + 1,)

    def __call__(self, layer: int, *, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        from torch.nn.attention.varlen import varlen_attn

        window = self._windows[layer]
        attended = varlen_attn(
            query,
            key,
            value,
            self._bounds,
            self._bounds,
            self._longest,
            self._longest,
            window_size=(-1 if window is None else window - 1, 0),
            enable_gqa=True,
        )
        assert isinstance(attended, Tensor)
        return attended  # (T, num_heads, head_dim)


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
        order = torch.cat([torch.arange(first, first + length) for length in starts for first in starts[length]])
        self._groups = [(length, len(first)) for length, first in starts.items()]
        self._order = None if bool((order.diff() == 1).all()) else order.to(device)

    def __call__(self, layer: int, *, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        window = self._windows[layer]
        sizes = [length * count for length, count in self._groups]
        parts = [torch.split(_reordered(part, self._order), sizes) for part in (query, key, value)]
        attended = [
            self._attend(q, k, v, length=length, window=window)
            for (length, _), q, k, v in zip(self._groups, *parts, strict=True)
        ]
        if len(attended) == 1:
            return attended[0]
        return _restored(torch.cat(attended), self._order)

    @staticmethod
    def _attend(query: Tensor, key: Tensor, value: Tensor, *, length: int, window: int | None) -> Tensor:
        whole = [part.view(-1, length, *part.shape[1:]) for part in (query, key, value)]  # (B, L, H, D)
        is_wide = window is None or window >= length
        if is_wide and query.dtype == torch.bfloat16 and query.device.type == "cpu" and SHORTEST <= length <= LONGEST:
            return block_causal_attention(*whole).flatten(0, 1)
        q, k, v = (part.transpose(1, 2) for part in whole)  # (B, H, L, D)
        mask = None
        if window is not None and window < length:
            distance = torch.arange(length, device=q.device)[:, None] - torch.arange(length, device=q.device)
            mask = (distance >= 0) & (distance < window)  # (L, L)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=True)
        return attended.transpose(1, 2).flatten(0, 1)  # (T, H, D)


def _reordered(rows: Tensor, order: Tensor | None) -> Tensor:
    """The rows in this order; None leaves them."""
    if order is None:
        return rows
    moved: Tensor = _Permuted.apply(rows, order, order.argsort())  # type: ignore[no-untyped-call]
    return moved


def _restored(rows: Tensor, order: Tensor | None) -> Tensor:
    """The reverse of ``_reordered``."""
    if order is None:
        return rows
    moved: Tensor = _Permuted.apply(rows, order.argsort(), order)  # type: ignore[no-untyped-call]
    return moved


class _Permuted(torch.autograd.Function):
    """As indexing, whose own gradient would add rows one by one, since they might be the same."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        [inverse] = ctx.saved_tensors
        return gradients[0].index_select(0, inverse), None, None
