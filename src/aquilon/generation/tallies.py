"""Counters and histograms that one thread adds to, shown by prometheus_client.

Its own are made for many threads and look each bucket up in turn: with three of
them for each token of each stream that is a twentieth of a gateway's time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Counter:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, by: float = 1) -> None:
        self.value += by


class Histogram:
    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """``bounds`` rise; a value belongs to the first that isn't below it."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Counters(Collector):
    """A counter for each combination of labels that came up. ``name`` without the ``_total`` that is shown."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self._described = (name, documentation, labels)
        self._found: dict[tuple[str, ...], Counter] = {}
        registry.register(self)

    def labels(self, *values: str) -> Counter:
        found = self._found.get(values)
        if found is None:
            found = self._found[values] = Counter()
        return found

    def collect(self) -> Iterable[Metric]:
        name, documentation, labels = self._described
        family = CounterMetricFamily(name, documentation, labels=labels)
        for values, counter in self._found.items():
            family.add_metric(values, counter.value)
        yield family


class Histograms(Collector):
    """A histogram for each combination of labels that came up."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._described = (name, documentation, labels)
        self._bounds = tuple(buckets)
        self._found: dict[tuple[str, ...], Histogram] = {}
        registry.register(self)

    def labels(self, *values: str) -> Histogram:
        found = self._found.get(values)
        if found is None:
            found = self._found[values] = Histogram(self._bounds)
        return found

    def collect(self) -> Iterable[Metric]:
        name, documentation, labels = self._described
        family = HistogramMetricFamily(name, documentation, labels=labels)
        for values, histogram in self._found.items():
            bounds = map(floatToGoString, (*self._bounds, inf))
            family.add_metric(values, list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.sum)
        yield family
