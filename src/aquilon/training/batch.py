"""The tensors of some rows, as the model takes them: one flat batch."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from aquilon.training.data.rows import Row

_MICRO_TOKENS = {"cpu": 4096, "cuda": 32_768}
"""Tokens that are computed at once: on a CPU, more need more memory and aren't quicker."""


@dataclass(frozen=True)
class Batch:
    token_ids: Tensor
    """int64 ``(T,)``."""
    positions: Tensor
    """int64 ``(T,)``: within each document."""
    targets: Tensor
    """int64 ``(T,)``: below 0 where nothing is trained."""
    lengths: tuple[int, ...]
    """Tokens of each document."""
    references: Tensor | None = None
    """float64 ``(documents,)``, see `Row.references`."""

    @classmethod
    def of(cls, rows: Sequence[Row], device: torch.device) -> Self:
        lengths = tuple(length for row in rows for length in row.lengths)
        positions = np.concatenate([np.arange(length) for length in lengths])
        references = [row.references for row in rows if row.references is not None]
        return cls(
            torch.from_numpy(np.concatenate([row.token_ids for row in rows])).to(device),
            torch.from_numpy(positions).to(device),
            torch.from_numpy(np.concatenate([row.targets for row in rows])).to(device),
            lengths,
            torch.from_numpy(np.concatenate(references)).to(device) if references else None,
        )


def micro_batches(rows: Iterable[Row], device: torch.device) -> Iterator[list[Row]]:
    """The rows in groups that are computed at once."""
    limit = _MICRO_TOKENS.get(device.type, _MICRO_TOKENS["cpu"])
    group: list[Row] = []
    tokens = 0
    for row in rows:
        if group and tokens + len(row.token_ids) > limit:
            yield group
            group, tokens = [], 0
        group.append(row)
        tokens += len(row.token_ids)
    if group:
        yield group


def trained_tokens(rows: Sequence[Row]) -> int:
    return sum(int((row.targets >= 0).sum()) for row in rows)


def samples(rows: Sequence[Row]) -> int:
    """What a loss is the mean of: pairs where the rows hold pairs, else trained tokens."""
    pairs = sum(len(row.lengths) // 2 for row in rows if row.references is not None)
    return pairs or trained_tokens(rows)


def checksum(rows: Sequence[Row]) -> int:
    """A sum over rows, so that parts from several ranks add up."""
    return sum(zlib.crc32(row.token_ids.tobytes()) for row in rows)
