"""The keys and values that a model has computed, in blocks."""

from __future__ import annotations

import mmap

import torch
from torch import Tensor

from aquilon.models.architecture import Architecture


class KVCache:
    """For each layer, keys and values of shape ``(num_blocks, num_kv_heads, block_size, head_dim)``.

    On the CPU the system provides memory only when a block is first written; until
    then it reads as zeros.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        num_blocks: int,
        block_size: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        shape = (num_blocks, architecture.num_kv_heads, block_size, architecture.head_dim)
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.dtype = dtype
        self.nbytes = num_blocks * block_size * architecture.kv_bytes_per_token(dtype.itemsize)
        whole = (2, architecture.num_layers, *shape)
        if device.type == "cpu":
            # torch.zeros would write every page: a cache that is never filled would still take memory.
            memory = mmap.mmap(-1, self.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            tensors = torch.frombuffer(memory, dtype=dtype).view(whole)
        else:
            tensors = torch.zeros(whole, dtype=dtype, device=device)
        self.keys: list[Tensor] = list(tensors[0])
        self.values: list[Tensor] = list(tensors[1])

    def write(self, layer: int, blocks: Tensor, offsets: Tensor, *, key: Tensor, value: Tensor) -> None:
        """Store ``key`` and ``value (T, num_kv_heads, head_dim)`` of tokens at ``blocks (T,)`` and ``offsets (T,)``."""
        self.keys[layer][blocks, :, offsets] = key.to(self.dtype)
        self.values[layer][blocks, :, offsets] = value.to(self.dtype)

    def copy(self, pairs: list[tuple[int, int]]) -> None:
        """Copy whole blocks, (from, to), in every layer."""
        if not pairs:
            return
        sources, targets = ([pair[side] for pair in pairs] for side in (0, 1))
        for tensor in (*self.keys, *self.values):
            tensor[targets] = tensor[sources]
