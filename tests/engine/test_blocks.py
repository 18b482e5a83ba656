"""The pool of KV blocks: blocks are shared by content, reused in order and never lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aquilon.engine.blocks import BlockPool, OutOfBlocks, block_hash, root_hash


def chain(tokens: list[int], size: int, model: str = "m", salt: str = "") -> list[bytes]:
    hashes = [root_hash(model, salt)]
    for start in range(0, len(tokens) - size + 1, size):
        hashes.append(block_hash(hashes[-1], tokens[start : start + size]))
    return hashes[1:]


def published_pool(hashes: list[bytes], num_blocks: int = 8) -> tuple[BlockPool, list[int]]:
    pool = BlockPool(num_blocks, 4)
    blocks = pool.allocate(len(hashes))
    for block, digest in zip(blocks, hashes, strict=True):
        pool.publish(block, digest)
    return pool, blocks


def test_a_freed_prefix_is_found_again_by_its_tokens() -> None:
    hashes = chain(list(range(12)), 4)
    pool, blocks = published_pool(hashes)
    pool.release(blocks)
    assert pool.num_free == 8
    assert pool.match(hashes) == blocks
    pool.hold(pool.match(hashes))
    assert pool.num_free == 5


def test_a_prefix_is_found_as_far_as_its_tokens_agree() -> None:
    pool, blocks = published_pool(chain(list(range(12)), 4))
    other = [*range(8), 99, 99, 99, 99]
    assert pool.match(chain(other, 4)) == blocks[:2]


@pytest.mark.parametrize(("model", "salt"), [("m", "other"), ("other", "m"), ("m2", ""), ("", "m")])
def test_equal_tokens_under_another_salt_or_model_share_nothing(model: str, salt: str) -> None:
    pool, _ = published_pool(chain(list(range(12)), 4, "m", "house"))
    assert pool.match(chain(list(range(12)), 4, model, salt)) == []


def test_the_head_of_a_prefix_survives_longest() -> None:
    hashes = chain(list(range(16)), 4)
    pool, blocks = published_pool(hashes, num_blocks=4)
    pool.release(blocks)
    for survivors in (3, 2, 1, 0):
        pool.allocate(1)
        assert pool.match(hashes) == blocks[:survivors]


def test_unpublished_blocks_are_reused_before_cached_ones() -> None:
    hashes = chain(list(range(8)), 4)
    pool, blocks = published_pool(hashes, num_blocks=3)
    partial = pool.allocate(1)
    pool.release(blocks)
    pool.release(partial)
    assert pool.allocate(1) == partial
    assert pool.match(hashes) == blocks


def test_a_second_block_with_the_same_content_is_not_published() -> None:
    hashes = chain(list(range(4)), 4)
    pool, blocks = published_pool(hashes)
    copy = pool.allocate(1)
    pool.publish(copy[0], hashes[0])
    assert pool.match(hashes) == blocks
    pool.release(copy)
    assert pool.match(hashes) == blocks


def test_an_allocation_of_more_than_the_free_blocks_takes_none() -> None:
    pool = BlockPool(3, 4)
    pool.allocate(2)
    with pytest.raises(OutOfBlocks):
        pool.allocate(2)
    assert pool.num_free == 1


def test_releasing_a_free_block_is_refused() -> None:
    pool = BlockPool(3, 4)
    blocks = pool.allocate(1)
    pool.release(blocks)
    with pytest.raises(ValueError, match="already free"):
        pool.release(blocks)


@given(st.lists(st.tuples(st.sampled_from("ahrp"), st.integers(0, 30)), max_size=120))
@settings(max_examples=200, deadline=None)
def test_every_block_is_either_free_or_held_and_never_both(operations: list[tuple[str, int]]) -> None:
    pool = BlockPool(6, 2)
    held: list[list[int]] = []
    for operation, number in operations:
        if operation == "a" and number % 4 <= pool.num_free:
            held.append(pool.allocate(number % 4))
        elif operation == "h":
            matched = pool.match([bytes([number % 5])])
            pool.hold(matched)
            held.append(matched)
        elif operation == "r" and held:
            pool.release(held.pop(number % len(held)))
        elif operation == "p" and held and held[number % len(held)]:
            pool.publish(held[number % len(held)][0], bytes([number % 5]))
        in_use = {block for blocks in held for block in blocks}
        assert pool.num_free == 6 - len(in_use)
        assert set(pool._free).isdisjoint(in_use)
        assert all(pool._hashes[block] == digest for digest, block in pool._published.items())
    for blocks in held:
        pool.release(blocks)
    assert pool.num_free == 6
