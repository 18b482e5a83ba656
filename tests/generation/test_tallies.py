"""Our counters and histograms export the same as prometheus_client's own."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from aquilon.generation.tallies import Counters, Histograms

BUCKETS = (0.005, 0.5, 1.0, 2.5, 10.0, 1e6)
VALUES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([*BUCKETS, 0.0, 0.3, 2.0, 1e7]) | st.floats(0, 1e7)))


def shown(registry: CollectorRegistry) -> list[str]:
    """The exported lines, without the creation times that our metrics don't export."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


@given(VALUES)
def test_our_metrics_export_the_lines_of_prometheus_client(values: list[tuple[str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counters, counter = Counters("n", "N", ("m",), registry=ours), Counter("n", "N", ("m",), registry=theirs)
    histograms = Histograms("h", "H", ("m",), buckets=BUCKETS, registry=ours)
    histogram = Histogram("h", "H", ("m",), buckets=(*BUCKETS, math.inf), registry=theirs)
    for model, value in values:
        counters.labels(model).inc(value)
        counter.labels(model).inc(value)
        histograms.labels(model).observe(value)
        histogram.labels(model).observe(value)
    assert shown(ours) == shown(theirs)
