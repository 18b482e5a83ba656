"""Paged attention in torch equals dense attention, and itself when prompts are cut differently."""

from __future__ import annotations

import pytest
import torch
from tests.support.random_transformers import random_architecture
from torch import Tensor

from aquilon.engine.attention import PagedAttention
from aquilon.engine.batch import Batch
from aquilon.engine.kv_cache import KVCache
from aquilon.models.architecture import Architecture
from aquilon.models.attention import DenseCausalAttention

BLOCK = 4
CPU = torch.device("cpu")


def make_batch(chunks: list[tuple[int, int]], tables: list[list[int]]) -> Batch:
    """Chunks are (tokens before, tokens now) of each sequence."""
    positions = torch.cat([torch.arange(before, before + now) for before, now in chunks])
    starts = torch.tensor([0, *(now for _, now in chunks)], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    contexts = torch.tensor([before + now for before, now in chunks], dtype=torch.int32)
    width = max(map(len, tables))
    padded = torch.tensor([[*table, *[0] * (width - len(table))] for table in tables], dtype=torch.int32)
    return Batch(
        token_ids=torch.zeros_like(positions),
        positions=positions,
        sequence_starts=starts,
        context_lengths=contexts,
        block_tables=padded,
    )


def make_cache(architecture: Architecture, dtype: torch.dtype = torch.float32) -> KVCache:
    return KVCache(architecture, num_blocks=32, block_size=BLOCK, dtype=dtype, device=CPU)


def random_heads(architecture: Architecture, length: int, seed: int = 0) -> dict[str, Tensor]:
    """Query, key and value of ``length`` tokens."""
    generator = torch.Generator().manual_seed(seed)
    heads = {"query": architecture.num_heads, "key": architecture.num_kv_heads, "value": architecture.num_kv_heads}
    return {
        name: torch.randn(length, count, architecture.head_dim, generator=generator) for name, count in heads.items()
    }


def attend_in_chunks(
    architecture: Architecture,
    heads: dict[str, Tensor],
    chunks: list[int],
    table: list[int],
    cache: KVCache,
) -> Tensor:
    outputs, before = [], 0
    for now in chunks:
        attention = PagedAttention(cache, make_batch([(before, now)], [table]), architecture)
        outputs.append(attention(0, **{name: part[before : before + now] for name, part in heads.items()}))
        before += now
    return torch.cat(outputs)


@pytest.mark.parametrize("window", [None, 1, 3, 4, 6, 30])
@pytest.mark.parametrize("lengths", [[1], [4], [5, 1, 13], [23]])
def test_paged_attention_computes_what_dense_attention_does(window: int | None, lengths: list[int]) -> None:
    architecture = random_architecture(num_layers=1, sliding_windows=(window,))
    heads = random_heads(architecture, sum(lengths))
    tables, block = [], 31
    for length in lengths:
        count = -(-length // BLOCK)
        tables.append(list(range(block, block - count, -1)))
        block -= count
    cache = make_cache(architecture)
    paged = PagedAttention(cache, make_batch([(0, length) for length in lengths], tables), architecture)
    dense = DenseCausalAttention(lengths, architecture)
    torch.testing.assert_close(paged(0, **heads), dense(0, **heads), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("window", [None, 6])
def test_a_row_is_the_same_bits_however_its_prompt_was_cut(window: int | None, dtype: torch.dtype) -> None:
    architecture = random_architecture(num_layers=1, sliding_windows=(window,))
    heads = random_heads(architecture, 23)
    table = [9, 3, 30, 4, 7, 1]
    whole = attend_in_chunks(architecture, heads, [23], table, make_cache(architecture, dtype))
    for chunks in ([1] * 23, [8, 8, 7], [4, 1, 1, 16, 1], [20, 3], [3, 9, 11]):
        assert torch.equal(attend_in_chunks(architecture, heads, chunks, table, make_cache(architecture, dtype)), whole)


def test_old_keys_and_values_in_a_block_have_no_influence() -> None:
    architecture = random_architecture(num_layers=1)
    heads = random_heads(architecture, 6)
    clean, dirty = make_cache(architecture), make_cache(architecture)
    for tensor in (*dirty.keys, *dirty.values):
        tensor.fill_(torch.inf)
    table = [5, 2]
    assert torch.equal(
        attend_in_chunks(architecture, heads, [6], table, dirty),
        attend_in_chunks(architecture, heads, [6], table, clean),
    )


def test_a_copied_block_holds_the_same_keys_and_values_in_every_layer() -> None:
    architecture = random_architecture()
    cache = make_cache(architecture)
    for tensor in (*cache.keys, *cache.values):
        tensor.normal_()
    cache.copy([(3, 7), (4, 8)])
    for tensor in (*cache.keys, *cache.values):
        assert torch.equal(tensor[[7, 8]], tensor[[3, 4]])


def test_a_cache_takes_no_memory_before_it_is_written() -> None:
    architecture = random_architecture(num_layers=8, num_kv_heads=4)
    resident = _resident_bytes()
    cache = KVCache(architecture, num_blocks=2**14, block_size=32, dtype=torch.float32, device=CPU)
    assert cache.nbytes >= 2**30
    assert not cache.values[-1][-1].any()
    assert _resident_bytes() - resident < 2**26


def _resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096
