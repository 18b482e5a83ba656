"""Confidence intervals and comparisons. All intervals are of 95 %."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aquilon.evaluation.results import Measure

_Z = 1.959963984540054
_RESAMPLES = 2000
_AT_ONCE = 2**22

Floats = NDArray[np.float64]


def wilson(right: int, count: int) -> Measure:
    """A share of independent answers (Wilson, 1927): sound for few answers and near 0 and 1."""
    share = right / count
    scale = 1 + _Z**2 / count
    middle = (share + _Z**2 / (2 * count)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return Measure(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half), count=count)


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Measure:
    """The ratio of two sums over the same items, such as bits and bytes over documents: bootstrap over the items.

    One item alone has no interval.
    """
    tops, bottoms = np.asarray(numerators, float), np.asarray(denominators, float)
    value = float(tops.sum() / bottoms.sum())
    if len(tops) < 2:
        return Measure(value=value, count=len(tops))
    low, high = _interval(np.concatenate([tops[rows].sum(1) / bottoms[rows].sum(1) for rows in _resampled(len(tops))]))
    return Measure(value=value, low=low, high=high, count=len(tops))


def _resampled(count: int) -> list[NDArray[np.int64]]:
    """Indices drawn with replacement, ``(resamples, count)`` in parts, the same at each call."""
    generator = np.random.default_rng(0)
    at_once = max(1, min(_RESAMPLES, _AT_ONCE // count))
    return [
        generator.integers(0, count, (min(at_once, _RESAMPLES - start), count))
        for start in range(0, _RESAMPLES, at_once)
    ]


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
