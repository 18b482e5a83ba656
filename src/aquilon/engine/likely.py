"""Find the likely tokens of wide vocabularies without sorting them.

The ``count`` largest values of a row all lie in the ``count`` groups of
neighbours with the largest maxima, and maxima are quick to compute.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

NEIGHBOURS = 32
_SORTED_FROM = 2048


def grouped(values: Tensor, size: int, fill: float) -> Tensor:
    """``(N, V)`` as ``(N, ceil(V / size), size)``, with ``fill`` behind the end."""
    missing = -values.shape[-1] % size
    if missing:
        values = pad(values, (0, missing), value=fill)
    return values.view(len(values), -1, size)


def likely_candidates(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Ascending token ids and their values, both ``(N, C)``, which include the ``count`` largest values of each row.

    Ids beyond the vocabulary have the value minus infinity.
    """
    groups = grouped(values, NEIGHBOURS, -torch.inf)  # (N, V / 32, 32)
    if count >= groups.shape[1]:
        tokens = torch.arange(groups.shape[1] * NEIGHBOURS, device=values.device).expand(len(values), -1)
        return tokens, groups.flatten(1)
    chosen = groups.amax(dim=-1).topk(count, dim=-1).indices.sort(dim=-1).values  # (N, count)
    inside = torch.arange(NEIGHBOURS, device=values.device)
    tokens = (chosen[:, :, None] * NEIGHBOURS + inside).flatten(1)
    return tokens, groups.gather(1, chosen[:, :, None].expand(-1, -1, NEIGHBOURS)).flatten(1)


def largest(values: Tensor, count: int) -> Tensor:
    """Each row's ``count`` largest values in descending order, ``(N, count)``."""
    if values.device.type == "cpu" and count > _SORTED_FROM:
        # numpy sorts with vector instructions, torch without.
        return torch.from_numpy(-np.sort(-values.numpy(), axis=-1)[:, :count])
    return values.topk(count, dim=-1).values


def most_likely(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ids and values of each row's ``count`` largest in descending order, both ``(N, count)``."""
    count = min(count, values.shape[-1])
    tokens, candidates = likely_candidates(values, count)
    top = candidates.topk(count, dim=-1)
    return tokens.gather(1, top.indices), top.values


def argmax(values: Tensor) -> Tensor:
    """The first position of the largest value in each row, ``(N,)``; several times quicker than torch's on a CPU."""
    groups = grouped(values, 256, -torch.inf)
    group = groups.amax(dim=-1).argmax(dim=-1)  # (N,)
    inside = groups[torch.arange(len(values), device=values.device), group].argmax(dim=-1)
    return group * 256 + inside
