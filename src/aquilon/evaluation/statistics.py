"""Confidence intervals and comparisons. All intervals are of 95 %."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aquilon.evaluation.results import Comparison, Evaluation, Measure, QuestionRecord, TextRecord

_Z = 1.959963984540054
_RESAMPLES = 2000
_AT_ONCE = 2**22
_EXACT = 2000
"""Pairs up to which the sign test is exact."""

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


def accuracy(scores: Sequence[Sequence[float]]) -> Measure:
    """The share of right answers, from each question's score for each seed.

    With one seed Wilson's interval; with several, bootstrap over questions, and over the seeds of each.
    """
    table = np.asarray(scores, float)  # (questions, seeds)
    if table.shape[1] == 1:
        return wilson(round(float(table.sum())), len(table))
    low, high = _interval(_resampled_means(table))
    return Measure(value=float(table.mean()), low=low, high=high, count=len(table))


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Compare two models question by question, or document by document.

    The difference is the first's figure less the second's, with bootstrap over questions and seeds. The p-value is
    that of the sign test over those that differ, which for one seed is McNemar's exact test. Raises ValueError for
    evaluations that did not measure the same.
    """
    if first.task_sha256 != second.task_sha256 or len(first.records) != len(second.records):
        raise ValueError(f"{first.task} and {second.task} did not measure the same questions")
    name, _ = next(iter(first.measures.items()))
    if all(isinstance(record, TextRecord) for record in first.records):
        difference, better, worse = _compare_texts(first, second)
    else:
        difference, better, worse = _compare_answers(first, second)
    return Comparison(
        task=first.task,
        first=first.model,
        second=second.model,
        measure=name,
        difference=difference,
        better=better,
        worse=worse,
        equal=len(first.records) - better - worse,
        p_value=sign_test(better, worse),
    )


def sign_test(better: int, worse: int) -> float:
    """The probability of so uneven a split, or a more uneven one, if both sides were equally likely."""
    count, less = better + worse, min(better, worse)
    if count > _EXACT:
        distance = (count / 2 - less - 0.5) / math.sqrt(count / 4)  # normal, corrected for continuity
        return min(1.0, math.erfc(distance / math.sqrt(2)))
    tail = sum(math.comb(count, index) for index in range(less + 1))
    return float(min(1.0, 2 * tail / 2**count))


def _compare_texts(first: Evaluation, second: Evaluation) -> tuple[Measure, int, int]:
    """Bits per byte are better if they are fewer. The bytes differ by the tokens that begin the texts."""
    figures = np.array(
        [
            [record.bits, record.bytes]
            for evaluation in (first, second)
            for record in evaluation.records
            if isinstance(record, TextRecord)
        ]
    ).reshape(2, -1, 2)  # (models, documents, bits and bytes)
    per_document = figures[:, :, 0] / figures[:, :, 1]
    totals = figures.sum(1)
    value = float(totals[0, 0] / totals[0, 1] - totals[1, 0] / totals[1, 1])
    count = figures.shape[1]
    better, worse = int((per_document[0] < per_document[1]).sum()), int((per_document[0] > per_document[1]).sum())
    if count < 2:
        return Measure(value=value, count=count), better, worse
    resampled = [figures[:, rows].sum(2) for rows in _resampled(count)]  # (models, resamples, bits and bytes)
    ratios = np.concatenate([sums[0, :, 0] / sums[0, :, 1] - sums[1, :, 0] / sums[1, :, 1] for sums in resampled])
    low, high = _interval(ratios)
    return Measure(value=value, low=low, high=high, count=count), better, worse


def _compare_answers(first: Evaluation, second: Evaluation) -> tuple[Measure, int, int]:
    tables = [
        np.array([record.scores for record in evaluation.records if isinstance(record, QuestionRecord)])
        for evaluation in (first, second)
    ]  # (questions, seeds) each
    low, high = _interval(_resampled_means(tables[0], tables[1]))
    means = [table.mean(1) for table in tables]
    value = float(means[0].mean() - means[1].mean())
    return (
        Measure(value=value, low=low, high=high, count=len(tables[0])),
        int((means[0] > means[1]).sum()),
        int((means[0] < means[1]).sum()),
    )


def _resampled_means(table: Floats, less: Floats | None = None) -> Floats:
    """Means over questions drawn with replacement, and for each over seeds drawn so; ``less`` is subtracted."""
    generator = np.random.default_rng(1)

    def over_seeds(part: Floats, rows: NDArray[np.int64]) -> Floats:
        seeds = part.shape[1]
        if seeds == 1:
            single: Floats = part[rows, 0]
            return single
        drawn = generator.integers(0, seeds, (*rows.shape, seeds))
        values: Floats = part[rows[..., None], drawn].mean(-1)
        return values

    means = []
    for rows in _resampled(len(table), width=max(table.shape[1], 1 if less is None else less.shape[1])):
        values = over_seeds(table, rows)
        means.append((values if less is None else values - over_seeds(less, rows)).mean(1))
    return np.concatenate(means)


def _resampled(count: int, *, width: int = 1) -> Iterator[NDArray[np.int64]]:
    """Indices drawn with replacement, ``(resamples, count)`` in parts, the same at each call.

    ``width``: how many values are looked up for each.
    """
    generator = np.random.default_rng(0)
    at_once = max(1, min(_RESAMPLES, _AT_ONCE // (count * width)))
    for start in range(0, _RESAMPLES, at_once):
        yield generator.integers(0, count, (min(at_once, _RESAMPLES - start), count))


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
