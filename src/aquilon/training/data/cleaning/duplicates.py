"""Equal and nearly equal documents: by a hash of the text, and by MinHash over groups of five words.

Broder 1997; Lee et al. 2022 (arXiv:2107.06499). 14 buckets of 8 hashes, as FineWeb: two documents that share 80 %
of their groups are found with a probability of 92 %, those that share half of them with 5 %.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.utils.hashing import HashConfig
from numpy.typing import NDArray

from aquilon.training.data.cleaning.words import PLAIN_WORDS

_GROUP, _BUCKETS, _HASHES = 5, 14, 8
_SHINGLES_AT_ONCE = 4096

SIGNATURE = np.dtype([("file", "<u4"), ("number", "<u8"), ("exact", "<u8"), ("buckets", "<u8", (_BUCKETS,))])
"""One document: its file and its place there, a hash of its text, a hash for each bucket; 0 for one without words."""

VERDICT = np.dtype([("kind", "u1"), ("file", "<u4"), ("number", "<u8")])
"""Whether a document is UNIQUE, and else the place of the one that is kept in its stead."""

UNIQUE, EQUAL, SIMILAR = 0, 1, 2


def signature(text: str, *, file: int, number: int) -> NDArray[np.void]:
    """The record of a document, ``SIGNATURE`` of shape ``(1,)``."""
    record = np.zeros(1, dtype=SIGNATURE)
    record["file"], record["number"] = file, number
    record["exact"] = _hash64(" ".join(text.split()).encode())
    shingles = _signer().get_shingles(text)
    if len(shingles):
        lowest = np.min(
            [
                np.concatenate(_signer().get_signature(shingles[start : start + _SHINGLES_AT_ONCE]))
                for start in range(0, len(shingles), _SHINGLES_AT_ONCE)
            ],
            axis=0,
        ).astype("<u8")
        record["buckets"] = [_hash64(bucket.tobytes()) for bucket in lowest.reshape(_BUCKETS, _HASHES)]
    return record


def verdicts(files: Sequence[Path]) -> NDArray[np.void]:
    """For each record of the files, in order, whether it is the first of its kind: an array of ``VERDICT``.

    It takes some fifty bytes of memory a document.
    """
    parent = np.arange(sum(path.stat().st_size // SIGNATURE.itemsize for path in files), dtype=np.int64)
    exact = _column(files, "exact")
    _join(parent, exact)
    for bucket in range(_BUCKETS):
        _join(parent, _column(files, "buckets", bucket))
    first = parent
    while not np.array_equal(above := first[first], first):
        first = above
    result = np.zeros(len(parent), dtype=VERDICT)
    repeated = first != np.arange(len(parent))
    result["kind"] = np.where(repeated, np.where(exact == exact[first], EQUAL, SIMILAR), UNIQUE)
    for name in ("file", "number"):
        result[name] = _column(files, name)[first]
    return result


def _column(files: Sequence[Path], name: str, bucket: int | None = None) -> NDArray[np.uint64]:
    parts = [np.empty(0, np.uint64)]
    for path in files:
        values = np.fromfile(path, dtype=SIGNATURE)[name]
        parts.append((values if bucket is None else values[:, bucket]).astype(np.uint64))
    return np.concatenate(parts)


def _join(parent: NDArray[np.int64], keys: NDArray[np.uint64]) -> None:
    """Put documents with the same key into one set, whose root is its first."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] != 0))
    for left, right in zip(order[same].tolist(), order[same + 1].tolist(), strict=True):
        one, other = _root(parent, left), _root(parent, right)
        if one != other:
            parent[max(one, other)] = min(one, other)


def _root(parent: NDArray[np.int64], index: int) -> int:
    while (above := int(parent[index])) != index:
        parent[index] = parent[above]
        index = above
    return index


def _hash64(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") or 1


@cache
def _signer() -> Any:
    config = MinhashConfig(
        n_grams=_GROUP, num_buckets=_BUCKETS, hashes_per_bucket=_HASHES, hash_config=HashConfig(hash_fc="sha1")
    )
    return MinhashDedupSignature(output_folder=".", config=config, language=PLAIN_WORDS)
