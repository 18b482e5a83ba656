"""Counters and histograms that one thread adds to, exported by prometheus_client.

Its own counters are made for many threads and try one bucket after the other: three of
them for each token of each stream take a twentieth of a gateway's time.
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
        """``bounds`` are in rising order; a value belongs to the first bound that isn't below it."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Counters(Collector):
    """A counter for each combination of labels in use. ``name`` is without the ``_total`` that the page adds."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self._description = (name, documentation, labels)
        self._counters: dict[tuple[str, ...], Counter] = {}
        registry.register(self)

    def labels(self, *values: str) -> Counter:
        counter = self._counters.get(values)
        if counter is None:
            counter = self._counters[values] = Counter()
        return counter

    def collect(self) -> Iterable[Metric]:
        name, documentation, labels = self._description
        family = CounterMetricFamily(name, documentation, labels=labels)
        for values, counter in self._counters.items():
            family.add_metric(values, counter.value)
        yield family


class Histograms(Collector):
    """A histogram for each combination of labels in use."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._description = (name, documentation, labels)
        self._bounds = tuple(buckets)
        self._histograms: dict[tuple[str, ...], Histogram] = {}
        registry.register(self)

    def labels(self, *values: str) -> Histogram:
        histogram = self._histograms.get(values)
        if histogram is None:
            histogram = self._histograms[values] = Histogram(self._bounds)
        return histogram

    def collect(self) -> Iterable[Metric]:
        name, documentation, labels = self._description
        family = HistogramMetricFamily(name, documentation, labels=labels)
        for values, histogram in self._histograms.items():
            bounds = map(floatToGoString, (*self._bounds, inf))
            family.add_metric(values, list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.sum)
        yield family
