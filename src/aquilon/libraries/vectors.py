"""Exact search over a library's vectors: one product with a matrix that is kept in memory while there is room.

A store with an index of its own, such as pgvector, would take the place of `LoadedLibraries.of` and `nearest`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from aquilon.libraries.filters import Attributes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


MOST_BYTES = 512 * 2**20
"""Of all loaded libraries together; the one that was searched last stays in any case."""

_OF_DOCUMENT = 0.5
"""How much of what all passages of a document have in common doesn't count: their language, above all.

Without that, a passage in the question's language is nearer than one in another language that answers it.
"""
_OF_ALL = 10
"""So many passages of the library's mean are added to a document's: one of few passages keeps what it is about."""

Floats: TypeAlias = "npt.NDArray[np.float32]"
Key = tuple[str, int, int]
"""A library's id, its edition, and how many documents can be searched: a file's deletion changes only the last."""


def packed(vector: bytes) -> bytes:
    """A vector of 32-bit floats, little end first, as 16-bit floats of length 1."""
    import numpy as np

    floats = np.frombuffer(vector, "<f4").astype(np.float32)
    length = float(np.linalg.norm(floats))
    return (floats / length if length > 0 else floats).astype("<f2").tobytes()


def unit(vector: bytes) -> Floats:
    """A vector of 32-bit floats, little end first, with length 1."""
    import numpy as np

    return np.frombuffer(packed(vector), "<f2").astype(np.float32)


@dataclass(frozen=True)
class LoadedLibrary:
    ids: npt.NDArray[np.int64]
    """(n,): the passages that have a vector."""
    documents: npt.NDArray[np.int32]
    """(n,): the position of each one's document in ``file_ids``."""
    vectors: Floats
    """(n, dimensions), each of length 1."""
    means: Floats
    """(documents, dimensions): the mean vector of each one's passages."""
    file_ids: Sequence[str]
    attributes: Sequence[Attributes]

    @property
    def bytes(self) -> int:
        return self.vectors.nbytes + self.means.nbytes + self.ids.nbytes + self.documents.nbytes

    def nearest(self, query: Floats, *, most: int, within: Collection[int] | None) -> list[tuple[int, float]]:
        """Ids of passages and the cosines of their angles with the query, the nearest first.

        Nearness is the cosine less half of that with the mean of the passage's document.

        ``within``: the positions of documents to search; None for all.
        """
        import numpy as np

        if not len(self.ids) or query.shape[0] != self.vectors.shape[1]:
            return []
        cosines: Floats = self.vectors @ query  # (n,)
        scores: Floats = cosines - _OF_DOCUMENT * (self.means @ query)[self.documents]
        if within is not None:
            allowed = np.zeros(len(self.file_ids), dtype=bool)
            allowed[list(within)] = True
            scores = np.where(allowed[self.documents], scores, np.float32(-9))
        most = min(most, len(scores))
        best = np.argpartition(-scores, most - 1)[:most]
        ordered = best[np.argsort(-scores[best], kind="stable")]
        return [(int(self.ids[at]), float(cosines[at])) for at in ordered if scores[at] > -9]


class Loading:
    """A library while its vectors are read from the database, some at a time."""

    def __init__(self, attributes: Sequence[tuple[str, str]]) -> None:
        """``attributes``: file and attributes, as JSON, of each document."""

        self._attributes = attributes
        self._positions = {file_id: at for at, (file_id, _) in enumerate(attributes)}
        self._ids: list[npt.NDArray[np.int64]] = []
        self._documents: list[npt.NDArray[np.int32]] = []
        self._vectors: list[Floats] = []

    def add(self, rows: Sequence[tuple[int, str, bytes]]) -> None:
        """``rows``: id, file and vector of passages; the vectors are 16-bit floats, all with the same dimensions."""
        import numpy as np

        known = [row for row in rows if row[1] in self._positions]
        if known:
            self._ids.append(np.array([row[0] for row in known], np.int64))
            self._documents.append(np.array([self._positions[row[1]] for row in known], np.int32))
            vectors = np.frombuffer(b"".join(row[2] for row in known), "<f2").astype(np.float32)
            self._vectors.append(vectors.reshape(len(known), -1))

    def library(self) -> LoadedLibrary:
        import numpy as np

        documents = np.concatenate([np.empty(0, np.int32), *self._documents])
        vectors = np.concatenate(self._vectors) if self._vectors else np.empty((0, 0), np.float32)
        return LoadedLibrary(
            ids=np.concatenate([np.empty(0, np.int64), *self._ids]),
            documents=documents,
            vectors=vectors,
            means=_means(vectors, documents, len(self._attributes)),
            file_ids=[file_id for file_id, _ in self._attributes],
            attributes=[msgspec.json.decode(content) for _, content in self._attributes],
        )


def _means(vectors: Floats, documents: npt.NDArray[np.int32], number: int) -> Floats:
    import numpy as np

    if not len(vectors):
        return np.empty((number, vectors.shape[1]), np.float32)
    sums = np.zeros((number, vectors.shape[1]), np.float32)
    np.add.at(sums, documents, vectors)
    passages = np.bincount(documents, minlength=number)[:, None]
    means: Floats = ((sums + _OF_ALL * vectors.mean(axis=0)) / (passages + _OF_ALL)).astype(np.float32)
    return means


class LoadedLibraries:
    """The libraries that were searched last."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._loaded: OrderedDict[str, tuple[Key, LoadedLibrary]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Key) -> LoadedLibrary | None:
        with self._lock:
            known = self._loaded.get(key[0])
            if known is None or known[0] != key:
                return None
            self._loaded.move_to_end(key[0])
            return known[1]

    def keep(self, key: Key, library: LoadedLibrary) -> None:
        with self._lock:
            self._loaded.pop(key[0], None)
            self._loaded[key[0]] = key, library
            while len(self._loaded) > 1 and sum(one.bytes for _, one in self._loaded.values()) > self._most_bytes:
                self._loaded.popitem(last=False)

    def forget(self, library_id: str) -> None:
        with self._lock:
            self._loaded.pop(library_id, None)
