"""Web addresses that no text is taken from, by the lists that datatrove carries."""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import datatrove
import numpy as np
from numpy.typing import NDArray

_ASSETS = Path(datatrove.__file__).parent / "assets"
_LISTS = _ASSETS / "url_filterblacklistsv0_3_0.tar.gz"
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_LEAST_SOFT_WORDS = 2


def write_listed(path: Path) -> None:
    """Write the lists' 4.6 million domains and addresses as sorted 64-bit hashes: 36 MB in place of 125."""
    hashes = np.fromiter(_listed(), dtype=np.uint64)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.save(file, np.sort(hashes))
    partial.rename(path)


def _listed() -> Iterator[int]:
    with tarfile.open(_LISTS, "r:gz") as archive:
        for name in ("domains", "urls"):
            lines = archive.extractfile(name)
            assert lines is not None
            for line in lines:
                yield _hash(line.strip())


class ListedAddresses:
    """The lists, for one process; the hashes are mapped into memory, which all processes share."""

    def __init__(self, path: Path) -> None:
        self._hashes: NDArray[np.uint64] = np.load(path, mmap_mode="r")
        self._words = _words("banned_words.txt")
        self._soft_words = _words("soft_banned_words.txt")
        self._parts = tuple(part.replace(" ", "") for part in _words("banned_subwords.txt"))

    def refusal(self, url: str) -> str | None:
        """Why no text is taken from this address; None if it is on no list."""
        address = url if "//" in url else f"//{url}"
        try:
            parts = urlsplit(address)
            host = (parts.hostname or "").rstrip(".")
        except ValueError:
            return "no address"
        labels = host.split(".")
        for start in range(max(1, len(labels) - 1)):
            if self._is_listed(".".join(labels[start:])):
                return "listed domain"
        if self._is_listed(host + parts.path.rstrip("/")):
            return "listed address"
        words = set(_NOT_A_WORD.split(url.lower()))
        if words & self._words:
            return "listed word"
        if len(words & self._soft_words) >= _LEAST_SOFT_WORDS:
            return "listed words"
        joined = _NOT_A_WORD.sub("", url.lower())
        return "listed words" if any(part in joined for part in self._parts) else None

    def _is_listed(self, text: str) -> bool:
        key = np.uint64(_hash(text.encode()))
        place = int(np.searchsorted(self._hashes, key))
        return place < len(self._hashes) and bool(self._hashes[place] == key)


def _words(name: str) -> frozenset[str]:
    lines = (_ASSETS / name).read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip().lower() for line in lines if line.strip() and not line.startswith("#"))


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
