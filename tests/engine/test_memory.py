"""The size of a KV cache."""

from __future__ import annotations

import pytest

from aquilon.engine.memory import NotEnoughMemory, kv_tokens, machine_limit

MIB, GIB = 2**20, 2**30


def tokens(*, bytes_per_token: int, max_context: int, weights: int, limit: int) -> int:
    return kv_tokens(
        bytes_per_token=bytes_per_token,
        max_context=max_context,
        weights=weights,
        limit=limit,
        free=limit,
        block_size=32,
    )


def test_a_small_model_gets_384_mebibytes_and_no_more_of_a_small_machine() -> None:
    small = tokens(bytes_per_token=23040, max_context=8192, weights=100 * MIB, limit=16 * GIB)
    assert small * 23040 == pytest.approx(384 * MIB, rel=0.01)
    assert small % 32 == 0


def test_a_model_with_a_long_context_gets_one_whole_context() -> None:
    assert tokens(bytes_per_token=131072, max_context=32768, weights=4 * GIB, limit=16 * GIB) == 32768


def test_a_large_machine_serves_more_at_once() -> None:
    assert tokens(bytes_per_token=131072, max_context=8192, weights=16 * GIB, limit=480 * GIB) * 131072 >= 10 * GIB


def test_a_cache_that_does_not_fit_takes_half_of_the_free_memory() -> None:
    cut = tokens(bytes_per_token=131072, max_context=131072, weights=4 * GIB, limit=8 * GIB)
    assert cut * 131072 == 2 * GIB


def test_a_model_that_does_not_fit_is_refused_with_both_sizes() -> None:
    with pytest.raises(NotEnoughMemory, match=r"40\.0 GB.*16\.0 GB"):
        tokens(bytes_per_token=131072, max_context=8192, weights=40 * GIB, limit=16 * GIB)


def test_the_machine_has_some_memory() -> None:
    assert 64 * MIB < machine_limit() < 2**50
