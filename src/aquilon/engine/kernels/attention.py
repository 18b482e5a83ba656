"""Paged attention in C.

The cache's tensors are those of ``KVCache``, but a block's keys lie transposed,
``(num_kv_heads, head_dim, block_size)``, because 32 positions are scored at once. So
the kernels and the torch twin can't use the same cache.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from aquilon.engine.batch import Batch
from aquilon.engine.kernels import library
from aquilon.engine.kv_cache import KVCache
from aquilon.models.architecture import Architecture

KV_BLOCK = 32
_LANES = 16
_DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}


def unsupported(architecture: Architecture, *, block_size: int, dtype: torch.dtype) -> str | None:
    """Why the kernels can't compute this attention; None where they can."""
    if not library.available():
        return library.unavailable_reason()
    if block_size != KV_BLOCK:
        return f"KV blocks of {block_size} tokens: the kernels need {KV_BLOCK}"
    if architecture.head_dim % _LANES:
        return f"heads of {architecture.head_dim} dimensions: the kernels need a multiple of {_LANES}"
    if dtype not in _DTYPES:
        return f"a KV cache of {dtype}: the kernels need float32, bfloat16 or float16"
    return None


def layer_cache(cache: KVCache, layer: int) -> library.Cache:
    """The addresses of one layer's keys and values."""
    return library.Cache(cache.keys[layer].data_ptr(), cache.values[layer].data_ptr(), _DTYPES[cache.dtype])


class NativeAttention:
    """One step's attention: stores the new keys and values, then attends from each query to its past.

    A row's result depends only on its own sequence up to itself, bit for bit: not on
    the batch, nor on how its prompt was cut into chunks.
    """

    def __init__(self, cache: KVCache, batch: Batch, architecture: Architecture) -> None:
        self.cache = cache
        self.architecture = architecture
        self._tensors = (
            batch.sequence_starts.to(torch.int32).contiguous(),
            batch.context_lengths.to(torch.int32).contiguous(),
            batch.block_tables.to(torch.int32).contiguous(),
        )
        starts, contexts, tables = self._tensors
        self.batch = library.Batch(
            rows=batch.token_ids.shape[0],
            sequences=contexts.shape[0],
            starts=starts.data_ptr(),
            contexts=contexts.data_ptr(),
            tables=tables.data_ptr(),
            table_stride=tables.shape[1],
        )

    def __call__(self, layer: int, *, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        a = self.architecture
        heads = library.Heads(a.num_heads, a.num_kv_heads, a.head_dim, a.sliding_windows[layer] or 0, a.head_dim**-0.5)
        cache = layer_cache(self.cache, layer)
        q, k, v = (part.float().contiguous() for part in (query, key, value))
        output = torch.empty(q.shape)
        failed = library.load().aq_attend_paged(
            ctypes.byref(heads),
            ctypes.byref(self.batch),
            ctypes.byref(cache),
            *(part.data_ptr() for part in (q, k, v, output)),
        )
        if failed:
            raise MemoryError(f"no memory to attend to {self.batch.rows} rows")
        return output.to(query.dtype)
