"""Rows of tokens: what a training step computes with, chosen by the number of the sample alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aquilon.training.data.sample_order import permuted
from aquilon.training.data.shards import Shard

UNTRAINED = -100
"""The target of a token whose prediction isn't trained."""

_HELD_BACK = 100

_BLOCK = 4096
"""A mixture keeps its weights in each block of so many rows, to a row."""


@dataclass(frozen=True)
class Row:
    """Some whole or cut documents side by side."""

    token_ids: NDArray[np.int64]
    """``(T,)``."""
    targets: NDArray[np.int64]
    """``(T,)``: the token that follows each within its document, or UNTRAINED."""
    lengths: tuple[int, ...]
    """Tokens of each document; their sum is T."""
    references: NDArray[np.float64] | None = None
    """Of pairs, ``(documents,)``: the log probability that the reference model gives to each document's targets.
    A preferred ending stands before the rejected one."""


class Rows(Protocol):
    """A finite number of rows, in a fixed order."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...


class StreamRows:
    """A shard cut into rows of ``context`` tokens, whatever the documents: no token is left out but the last few."""

    def __init__(self, shard: Shard, context: int) -> None:
        self._shard, self._context = shard, context

    def __len__(self) -> int:
        return len(self._shard) // self._context

    def row(self, index: int) -> Row:
        start = index * self._context
        end = start + self._context
        first, last = np.searchsorted(self._shard.ends, [start, end], side="right")
        inside = self._shard.ends[first:last].astype(np.int64)
        bounds = np.unique(np.concatenate(([start], inside, [end])))
        ids = self._shard.tokens[start : end + 1].astype(np.int64)
        targets = np.full(self._context, UNTRAINED, dtype=np.int64)
        targets[: len(ids) - 1] = ids[1:]
        targets[inside[inside > start] - start - 1] = UNTRAINED
        return Row(ids[: self._context], targets, tuple(int(length) for length in np.diff(bounds)))


class Part:
    """Some rows of others: every ``_HELD_BACK``th, which is not trained on, or all the rest."""

    def __init__(self, rows: Rows, *, held_back: bool) -> None:
        self._rows, self._held_back = rows, held_back

    def __len__(self) -> int:
        held_back = len(self._rows) // _HELD_BACK
        return held_back if self._held_back else len(self._rows) - held_back

    def row(self, index: int) -> Row:
        if self._held_back:
            return self._rows.row(index * _HELD_BACK + _HELD_BACK - 1)
        return self._rows.row(index + index // (_HELD_BACK - 1))


class PackedRows:
    """Whole documents of a shard, packed into rows of at most ``context`` tokens.

    First fit, longest first: the same rows for the same shard. Raises ValueError for a
    document that doesn't fit.
    """

    def __init__(self, shard: Shard, context: int) -> None:
        self._shard = shard
        lengths = np.diff(shard.ends.astype(np.int64), prepend=0)
        if len(lengths) and (longest := int(lengths.max())) > context:
            document = int(lengths.argmax()) + 1
            raise ValueError(f"document {document} has {longest} tokens: a row has {context}")
        self._rows = _packed(lengths, context)

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Row:
        return document_row(self._shard, self._rows[index])


class PairRows:
    """A shard of pairs, each a row: the preferred ending's document, and the rejected one's behind it."""

    def __init__(self, shard: Shard, references: NDArray[np.float64] | None = None) -> None:
        """``references (documents,)`` as in `Row`."""
        self._shard, self._references = shard, references

    def __len__(self) -> int:
        return self._shard.description.documents // 2

    def row(self, index: int) -> Row:
        row = document_row(self._shard, (2 * index, 2 * index + 1))
        if self._references is None:
            return row
        return replace(row, references=self._references[2 * index : 2 * index + 2])


def document_row(shard: Shard, documents: Sequence[int]) -> Row:
    """Whole documents of a shard side by side."""
    ids, targets, lengths = [], [], []
    for document in documents:
        start, end = int(shard.ends[document - 1]) if document else 0, int(shard.ends[document])
        tokens = shard.tokens[start:end].astype(np.int64)
        following = np.append(tokens[1:], UNTRAINED)
        if shard.trained is not None:
            following[:-1][shard.trained[start + 1 : end] == 0] = UNTRAINED
        ids.append(tokens)
        targets.append(following)
        lengths.append(end - start)
    return Row(np.concatenate(ids), np.concatenate(targets), tuple(lengths))


def _packed(lengths: NDArray[np.int64], context: int) -> list[list[int]]:
    """Documents by row. A row that is nearly full is no longer looked at, so that packing stays quick."""
    rows: list[list[int]] = []
    open_rows: list[tuple[int, int]] = []  # (row, room), of those where a document may still fit
    for document in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[document])
        for place, (row, room) in enumerate(open_rows):
            if length <= room:
                rows[row].append(document)
                open_rows[place] = (row, room - length)
                break
        else:
            rows.append([document])
            open_rows.append((len(rows) - 1, context - length))
            if len(open_rows) > 256:
                open_rows.remove(min(open_rows, key=lambda entry: entry[1]))
    return rows


@dataclass(frozen=True)
class Weighted:
    """One source of a mixture, and its part of the rows."""

    rows: Rows
    weight: float


class Mixture:
    """An endless sequence of rows from several sources, each shuffled anew in every epoch.

    Row ``index`` follows from the seed and the index alone.
    """

    def __init__(self, sources: Sequence[Weighted], *, seed: int) -> None:
        """Raises ValueError for a source without rows, and for a weight that isn't above 0."""
        for number, source in enumerate(sources, 1):
            if not len(source.rows):
                raise ValueError(f"source {number} is too small: it doesn't fill one row")
            if not source.weight > 0:
                raise ValueError(f"source {number} has the weight {source.weight}: it must be above 0")
        self._sources, self._seed = list(sources), seed
        weights = np.array([source.weight for source in sources])
        self._bounds = np.cumsum(weights) / weights.sum()
        for number, share in enumerate(weights / weights.sum(), 1):
            if share * _BLOCK < 1:
                raise ValueError(f"source {number} has a share of {share:.2g}: the least is 1/{_BLOCK}")

    def row(self, index: int) -> Row:
        source, sample = self.place(index)
        rows = self._sources[source].rows
        epoch, within = divmod(sample, len(rows))
        return rows.row(permuted(within, len(rows), seed=self._seed + source, epoch=epoch))

    def epochs(self, index: int) -> list[float]:
        """How often each source has been read when ``index`` rows were."""
        block, rest = divmod(index, _BLOCK)
        counts = [self._before(block, source) for source in range(len(self._sources))]
        for following in range(rest):
            counts[self.place(block * _BLOCK + following)[0]] += 1
        return [count / len(source.rows) for count, source in zip(counts, self._sources, strict=True)]

    def place(self, index: int) -> tuple[int, int]:
        """The source of a row, and which of that source's samples it is, counted over all epochs."""
        block, within = divmod(index, _BLOCK)
        slot = permuted(within, _BLOCK, seed=self._seed, epoch=-1 - block)
        for source in range(len(self._sources)):
            before, after = self._before(block, source), self._before(block + 1, source)
            if slot < after - before:
                return source, before + slot
            slot -= after - before
        raise AssertionError("a block's slots belong to its sources")

    def _before(self, block: int, source: int) -> int:
        """How many rows of the first ``block`` blocks are of this source."""
        upper = round(float(self._bounds[source]) * _BLOCK) * block
        lower = round(float(self._bounds[source - 1]) * _BLOCK) * block if source else 0
        return upper - lower
