"""Attention over KV blocks in torch, for any device and dtype: the slow twin of the native kernels.

A token's result depends only on its own sequence up to itself, bit for bit: not on
the batch, nor on how its prompt was cut into chunks. Matrix products round
differently for different shapes, so the shapes here depend on a token's position
alone: queries are computed in whole tiles of one KV block, against all whole blocks
up to their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aquilon.engine.batch import Batch
from aquilon.engine.kv_cache import KVCache
from aquilon.models.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class _Tile:
    """Rows of the batch whose positions lie in one KV block of one sequence."""

    rows: slice
    first_offset: int
    """Where in the block the first row's position lies."""
    blocks: Tensor
    """``(B,)``: the sequence's blocks up to this one, except those outside the sliding window."""
    num_known: int
    """Keys that this sequence has written; the rest of the last block may hold another sequence's old keys."""
    distance: Tensor
    """``(block_size, B * block_size)``: from each position of the tile back to the position of each key."""


class PagedAttention:
    """One step's attention: stores the new keys and values, then attends from each query to its past."""

    def __init__(self, cache: KVCache, batch: Batch, architecture: Architecture) -> None:
        self._cache = cache
        self._windows = architecture.sliding_windows
        self._scale = architecture.head_dim**-0.5
        self._size = cache.block_size
        starts, contexts = batch.sequence_starts.tolist(), batch.context_lengths.tolist()
        tables = batch.block_tables.long()
        lengths = batch.sequence_starts.diff().long()
        sequences = torch.arange(len(contexts), device=lengths.device).repeat_interleave(lengths)
        self._blocks = tables[sequences, batch.positions // self._size]  # (T,)
        self._offsets = batch.positions % self._size
        self._tiles = {
            window: [
                tile
                for number, context in enumerate(contexts)
                for tile in self._tile(
                    tables[number], start=starts[number], context=context, end=starts[number + 1], window=window
                )
            ]
            for window in set(self._windows)
        }

    def __call__(self, layer: int, *, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        self._cache.write(layer, self._blocks, self._offsets, key=key, value=value)
        output = torch.empty_like(query)
        window = self._windows[layer]
        for tile in self._tiles[window]:
            keys = self._gather(self._cache.keys[layer], tile.blocks)  # (num_kv_heads, C, head_dim)
            values = self._gather(self._cache.values[layer], tile.blocks)
            values[:, tile.num_known :] = 0  # their weight is 0, but 0 times an infinity left there is not a number
            visible = tile.distance >= 0
            if window is not None:
                visible &= tile.distance < window
            output[tile.rows] = self._attend(tile, query[tile.rows], keys=keys, values=values, visible=visible)
        return output

    def _attend(self, tile: _Tile, query: Tensor, *, keys: Tensor, values: Tensor, visible: Tensor) -> Tensor:
        rows, num_heads, head_dim = query.shape
        whole = query.new_zeros(self._size, num_heads, head_dim, dtype=torch.float32)
        whole[tile.first_offset : tile.first_offset + rows] = query
        grouped = whole.transpose(0, 1).reshape(len(keys), -1, head_dim)  # (num_kv_heads, group * block_size, head_dim)
        scores = (grouped @ keys.transpose(1, 2)) * self._scale  # (num_kv_heads, group * block_size, C)
        scores = scores.view(num_heads, self._size, -1).masked_fill(~visible, -torch.inf)
        weights = scores.softmax(dim=-1).view(len(keys), -1, scores.shape[-1])
        attended = (weights @ values).view(num_heads, self._size, head_dim).transpose(0, 1)
        own: Tensor = attended[tile.first_offset : tile.first_offset + rows]
        return own.to(query.dtype)

    def _gather(self, cached: Tensor, blocks: Tensor) -> Tensor:
        """The keys or values of some blocks in order, fp32 ``(num_kv_heads, B * block_size, head_dim)``."""
        gathered = cached[blocks].transpose(0, 1)  # (num_kv_heads, B, block_size, head_dim)
        wide: Tensor = gathered.reshape(len(gathered), -1, gathered.shape[-1]).float()
        return wide

    def _tile(self, table: Tensor, *, start: int, context: int, end: int, window: int | None) -> list[_Tile]:
        """Cut rows ``start`` to ``end`` of the batch, which end at position ``context``, at block ends."""
        tiles = []
        first = context - (end - start)
        while first < context:
            block = first // self._size
            last = min((block + 1) * self._size, context)
            oldest = 0 if window is None else max(0, block * self._size - window + 1) // self._size
            positions = torch.arange(block * self._size, (block + 1) * self._size, device=table.device)
            keys = torch.arange(oldest * self._size, (block + 1) * self._size, device=table.device)
            row = start + first - (context - (end - start))
            tiles.append(
                _Tile(
                    rows=slice(row, row + last - first),
                    first_offset=first % self._size,
                    blocks=table[oldest : block + 1],
                    num_known=last - oldest * self._size,
                    distance=positions[:, None] - keys,
                )
            )
            first = last
        return tiles
