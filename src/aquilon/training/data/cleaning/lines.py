"""Lines that very many documents repeat: menus, notices, and instructions that were left in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from datatrove.utils.hashes.sha1 import sha1_hash64
from numpy.typing import NDArray

_SHORTEST = 30
"""Characters. Shorter lines repeat in good text too: headings, a dialogue's answers."""

_LEAST_DOCUMENTS, _MOST_DOCUMENTS, _SHARE = 10, 100, 0.01
_IN_MEMORY = 64 * 2**20

_DIGITS = re.compile(r"\d+")
_SPACES = re.compile(r"\s+")


def line_key(line: str) -> int | None:
    """What lines that differ in numbers, capitals and spaces have in common; None for a short line."""
    line = line.strip()
    if len(line) < _SHORTEST:
        return None
    return int(sha1_hash64(_SPACES.sub(" ", _DIGITS.sub("0", line.lower()))))


def line_keys(text: str) -> NDArray[np.uint64]:
    """The keys of a document's lines, each once."""
    keys = {key for line in text.split("\n") if (key := line_key(line)) is not None}
    return np.fromiter(keys, dtype=np.uint64, count=len(keys))


def least_documents(documents: int) -> int:
    """How many documents of so many a line must be in to be removed: a hundredth, at least 10, at most 100."""
    return int(min(_MOST_DOCUMENTS, max(_LEAST_DOCUMENTS, documents * _SHARE)))


def frequent_keys(files: Sequence[Path], *, least: int) -> NDArray[np.uint64]:
    """The keys that occur at least so often in files of keys, sorted. Large files are read several times, in parts."""
    total = sum(path.stat().st_size for path in files)
    parts = max(1, -(-total // _IN_MEMORY))
    frequent = []
    for part in range(parts):
        keys = [np.fromfile(path, dtype=np.uint64) for path in files] if parts == 1 else _part(files, part, parts)
        unique, counts = np.unique(np.concatenate([*keys, np.empty(0, np.uint64)]), return_counts=True)
        frequent.append(unique[counts >= least])
    return np.sort(np.concatenate(frequent))


def _part(files: Sequence[Path], part: int, parts: int) -> list[NDArray[np.uint64]]:
    selected = []
    for path in files:
        keys = np.fromfile(path, dtype=np.uint64)
        selected.append(keys[keys % np.uint64(parts) == part])
    return selected


def without_lines(text: str, frequent: NDArray[np.uint64]) -> tuple[str, list[str]]:
    """The text without lines whose key is among the sorted ones, and those lines."""
    if not len(frequent):
        return text, []
    kept: list[str] = []
    removed: list[str] = []
    for line in text.split("\n"):
        key = line_key(line)
        place = None if key is None else int(np.searchsorted(frequent, np.uint64(key)))
        is_frequent = place is not None and place < len(frequent) and int(frequent[place]) == key
        (removed if is_frequent else kept).append(line)
    return ("\n".join(kept) if removed else text), removed
