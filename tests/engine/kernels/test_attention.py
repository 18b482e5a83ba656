"""Native paged attention: the values of its dense twin, and the same bits however prompts are cut and batched."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from aquilon.engine.batch import Batch
from aquilon.engine.kernels import library
from aquilon.engine.kernels.attention import NativeAttention, unsupported
from aquilon.engine.kv_cache import KVCache
from aquilon.models.architecture import Architecture, Rotary
from aquilon.models.attention import DenseCausalAttention

pytestmark = pytest.mark.skipif(not library.available(), reason=str(library.unavailable_reason()))

BLOCK = 32


def architecture(heads: int = 6, kv_heads: int = 2, head_dim: int = 64, window: int | None = None) -> Architecture:
    return Architecture(
        family="llama",
        vocab_size=64,
        hidden_size=64,
        intermediate_size=64,
        num_layers=1,
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=head_dim,
        norm_eps=1e-5,
        max_context=4096,
        rotary=Rotary(),
        sliding_windows=(window,),
    )


@dataclass
class Prompt:
    """One sequence's queries, keys and values from its first token on."""

    query: Tensor
    key: Tensor
    value: Tensor
    table: list[int]

    @classmethod
    def random(cls, a: Architecture, length: int, first_block: int, seed: int = 0) -> Prompt:
        generator = torch.Generator().manual_seed(seed + length)
        query = torch.randn(length, a.num_heads, a.head_dim, generator=generator) * 2
        key, value = (torch.randn(length, a.num_kv_heads, a.head_dim, generator=generator) for _ in range(2))
        blocks = range(first_block, first_block - (-length // BLOCK))
        return cls(query, key, value, list(reversed(blocks)))


def step(a: Architecture, cache: KVCache, parts: list[tuple[Prompt, int, int]]) -> list[Tensor]:
    """Attend from rows ``first`` to ``end`` of each prompt in one batch."""
    lengths = [end - first for _, first, end in parts]
    starts = torch.tensor([0, *lengths]).cumsum(0).int()
    tables = torch.zeros(len(parts), max(len(prompt.table) for prompt, _, _ in parts), dtype=torch.int32)
    for number, (prompt, _, _) in enumerate(parts):
        tables[number, : len(prompt.table)] = torch.tensor(prompt.table)
    positions = torch.cat([torch.arange(first, end) for _, first, end in parts])
    contexts = torch.tensor([end for _, _, end in parts], dtype=torch.int32)
    batch = Batch(
        token_ids=torch.zeros_like(positions),
        positions=positions,
        sequence_starts=starts,
        context_lengths=contexts,
        block_tables=tables,
    )
    rows = {
        name: torch.cat([getattr(prompt, name)[first:end] for prompt, first, end in parts])
        for name in ("query", "key", "value")
    }
    return list(NativeAttention(cache, batch, a)(0, **rows).split(lengths))


def cache_for(a: Architecture, dtype: torch.dtype = torch.float32, blocks: int = 80) -> KVCache:
    cache = KVCache(a, num_blocks=blocks, block_size=BLOCK, dtype=dtype, device=torch.device("cpu"))
    for tensor in (*cache.keys, *cache.values):
        tensor.fill_(torch.nan)  # old values in a block must never be used
    return cache


@pytest.mark.parametrize("window", [None, 1, 40, 300])
@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(6, 2, 64), (4, 4, 48), (8, 1, 128)])
def test_native_attention_equals_dense_causal_attention(
    heads: int, kv_heads: int, head_dim: int, window: int | None
) -> None:
    a = architecture(heads, kv_heads, head_dim, window)
    prompts = [Prompt.random(a, 333, 0), Prompt.random(a, 1, 20), Prompt.random(a, 70, 30)]
    got = step(a, cache_for(a), [(prompt, 0, len(prompt.query)) for prompt in prompts])
    for prompt, rows in zip(prompts, got, strict=True):
        dense = DenseCausalAttention([len(prompt.query)], a)
        expected = dense(0, query=prompt.query, key=prompt.key, value=prompt.value)
        torch.testing.assert_close(rows, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_narrow_cache_rounds_keys_and_values_and_nothing_else(dtype: torch.dtype) -> None:
    a = architecture()
    prompt = Prompt.random(a, 100, 0)
    (got,) = step(a, cache_for(a, dtype), [(prompt, 0, 100)])
    key, value = prompt.key.to(dtype).float(), prompt.value.to(dtype).float()
    expected = DenseCausalAttention([100], a)(0, query=prompt.query, key=key, value=value)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("window", [None, 100])
def test_chunks_and_other_sequences_change_no_bit(window: int | None, dtype: torch.dtype) -> None:
    a = architecture(window=window)
    prompt, other = Prompt.random(a, 600, 0), Prompt.random(a, 200, 40)
    (whole,) = step(a, cache_for(a, dtype), [(prompt, 0, 600)])
    for sizes in ([1] * 4 + [596], [17, 250, 256, 1, 1, 75], [599, 1], [128] * 4 + [88]):
        cache, first = cache_for(a, dtype), 0
        for size in sizes:
            got = step(a, cache, [(other, 0, 200), (prompt, first, first + size)])[1]
            assert torch.equal(got, whole[first : first + size]), (sizes, first)
            first += size


def test_every_instruction_set_and_thread_count_gives_the_same_bits() -> None:
    a, native, chosen = architecture(), library.load(), library.instruction_set()
    prompt, threads = Prompt.random(a, 700, 0), native.aq_threads()

    def run() -> Tensor:
        cache = cache_for(a, torch.bfloat16)
        return torch.cat([step(a, cache, [(prompt, 0, 690)])[0], step(a, cache, [(prompt, 690, 700)])[0]])

    expected = run()
    try:
        for name in (b"avx512", b"avx2", b"portable"):
            if native.aq_select(name) == 0:
                assert torch.equal(run(), expected), name
        native.aq_select(chosen.encode())
        for count in (1, 2, 3):
            library.set_threads(count)
            assert torch.equal(run(), expected), count
    finally:
        native.aq_select(chosen.encode())
        library.set_threads(threads)


def test_unsupported_shapes_are_refused_with_the_reason() -> None:
    assert unsupported(architecture(), block_size=BLOCK, dtype=torch.bfloat16) is None
    assert "blocks of 16" in str(unsupported(architecture(), block_size=16, dtype=torch.bfloat16))
    assert "20 dimensions" in str(unsupported(architecture(head_dim=20), block_size=BLOCK, dtype=torch.bfloat16))
    assert "float64" in str(unsupported(architecture(), block_size=BLOCK, dtype=torch.float64))
