"""The order of samples: a permutation that any process computes for one index, without a state to save.

A run's data order follows from its seed alone, so a resumed run, on any number of
ranks, needs nothing but the number of its next sample.
"""

from __future__ import annotations

import hashlib

_ROUNDS = 6


def permuted(index: int, size: int, *, seed: int, epoch: int) -> int:
    """Where ``index`` of an epoch of ``size`` samples stands in shuffled order: a bijection of ``range(size)``.

    A Feistel network over the next even power of two, walked until it falls inside
    (Black and Rogaway, *Ciphers with Arbitrary Finite Domains*, 2002).
    """
    if not 0 <= index < size:
        raise IndexError(f"sample {index} of {size}")
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    keys = _keys(seed, epoch)
    while True:
        left, right = index >> half, index & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right ^ key) & mask)
        index = left << half | right
        if index < size:
            return index


def _keys(seed: int, epoch: int) -> list[int]:
    digest = hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=8 * _ROUNDS).digest()
    return [int.from_bytes(digest[8 * i : 8 * i + 8], "little") for i in range(_ROUNDS)]


def _mixed(value: int) -> int:
    """SplitMix64's finalizer (Steele, Lea and Flood, 2014)."""
    value &= 2**64 - 1
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & 2**64 - 1
    value = (value ^ value >> 27) * 0x94D049BB133111EB & 2**64 - 1
    return value ^ value >> 31
