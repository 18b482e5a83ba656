"""The metrics on ``/metrics``: vLLM's names with our prefix, so that its dashboards work after one replacement.

Requests and tokens are counted here. The engine's own numbers are read from its last
statistics when the page is requested.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aquilon.engine.client import Engine
from aquilon.engine.protocol import EngineStatistics
from aquilon.generation.tallies import Counters, Histograms
from aquilon.upstreams.registry import UpstreamRegistry

_FIRST_TOKEN_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0)
_TOKEN_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
_REQUEST_BUCKETS = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 120.0, 240.0, 480.0)
_LENGTH_BUCKETS = tuple(float(digit * 10**power) for power in range(6) for digit in (1, 2, 5))


class Metrics:
    def __init__(self, engine: Engine) -> None:
        self.registry = registry = CollectorRegistry()
        """Other parts register their metrics here."""
        registry.register(_EngineCollector(engine))
        label = ("model_name",)
        self.prompt_tokens = Counters("aquilon:prompt_tokens", "Prompt tokens processed", label, registry=registry)
        self.generation_tokens = Counters("aquilon:generation_tokens", "Tokens generated", label, registry=registry)
        self.request_success = Counters(
            "aquilon:request_success",
            "Sequences ended, by what ended them: stop, length, abort or error",
            ("model_name", "finished_reason"),
            registry=registry,
        )
        self.time_to_first_token = Histograms(
            "aquilon:time_to_first_token_seconds",
            "From a request's admission to its first token",
            label,
            buckets=_FIRST_TOKEN_BUCKETS,
            registry=registry,
        )
        self.inter_token_latency = Histograms(
            "aquilon:inter_token_latency_seconds",
            "Between two tokens of one sequence",
            label,
            buckets=_TOKEN_BUCKETS,
            registry=registry,
        )
        self.time_per_output_token = Histograms(
            "aquilon:request_time_per_output_token_seconds",
            "A request's mean time between tokens",
            label,
            buckets=_TOKEN_BUCKETS,
            registry=registry,
        )
        self.request_latency = Histograms(
            "aquilon:e2e_request_latency_seconds",
            "From a request's admission to its last token",
            label,
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self.request_prompt_tokens = Histograms(
            "aquilon:request_prompt_tokens",
            "Prompt tokens of a request",
            label,
            buckets=_LENGTH_BUCKETS,
            registry=registry,
        )
        self.request_generation_tokens = Histograms(
            "aquilon:request_generation_tokens",
            "Tokens generated for a request",
            label,
            buckets=_LENGTH_BUCKETS,
            registry=registry,
        )

        self.upstream_requests = Counters(
            "aquilon:upstream_requests",
            "Requests sent to an upstream: completed, length (the budget ended), abandoned, failed or refused",
            ("upstream", "model_name", "outcome"),
            registry=registry,
        )
        self.upstream_first_token = Histograms(
            "aquilon:upstream_time_to_first_token_seconds",
            "From a request to an upstream to the first piece of its answer",
            ("upstream",),
            buckets=_FIRST_TOKEN_BUCKETS,
            registry=registry,
        )
        self.upstream_doubts = Counters(
            "aquilon:upstream_implausible_usage",
            "Answers whose usage, as the upstream reported it, can't be true",
            ("upstream",),
            registry=registry,
        )

    def measure(self, model: str, *, n: int, prompt_tokens: int) -> Measure:
        """``n``: continuations."""
        return Measure(self, model, n=n, prompt_tokens=prompt_tokens)

    def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        return generate_latest(self.registry)


class Measure:
    """Times one request; call ``close`` when it has ended, for whatever reason."""

    def __init__(self, metrics: Metrics, model: str, *, n: int, prompt_tokens: int) -> None:
        self._metrics = metrics
        self._model = model
        self._n = n
        self._prompt_tokens = prompt_tokens
        self._started_at = time.monotonic()
        self._first_at = 0.0
        self._last_at = [0.0] * n
        self._tokens = 0
        self._ended = 0
        self._between = metrics.inter_token_latency.labels(model)
        self._generated = metrics.generation_tokens.labels(model)

    def tokens(self, index: int, count: int) -> None:
        """Record that a step brought ``count`` tokens of one continuation."""
        now = time.monotonic()
        if not self._first_at:
            self._first_at = now
            self._metrics.time_to_first_token.labels(self._model).observe(now - self._started_at)
            self._metrics.prompt_tokens.labels(self._model).inc(self._prompt_tokens)
        if count:
            if self._last_at[index]:
                for _ in range(count):
                    self._between.observe((now - self._last_at[index]) / count)
            self._last_at[index] = now
            self._tokens += count
            self._generated.inc(count)

    def finished(self, reason: str) -> None:
        self._ended += 1
        self._metrics.request_success.labels(self._model, reason).inc()

    def close(self) -> None:
        for _ in range(self._n - self._ended):
            self._metrics.request_success.labels(self._model, "abort").inc()
        if not self._first_at:
            return
        now = time.monotonic()
        self._metrics.request_latency.labels(self._model).observe(now - self._started_at)
        self._metrics.request_prompt_tokens.labels(self._model).observe(self._prompt_tokens)
        self._metrics.request_generation_tokens.labels(self._model).observe(self._tokens)
        intervals = self._tokens - self._n
        if intervals > 0:
            mean = (max(self._last_at) - self._first_at) * self._n / intervals
            self._metrics.time_per_output_token.labels(self._model).observe(mean)


class UpstreamCollector(Collector):
    def __init__(self, registry: UpstreamRegistry) -> None:
        self.registry = registry

    def collect(self) -> Iterable[Metric]:
        available = GaugeMetricFamily(
            "aquilon:upstream_available",
            "Whether an upstream's model may be asked now; 0 while its circuit is open or it has asked for a pause",
            labels=("upstream", "model_name"),
        )
        for upstream, model, state in self.registry.states():
            available.add_metric((upstream, model), float(state in ("closed", "half-open")))
        yield available


class _EngineCollector(Collector):
    """The numbers in the engine's last statistics, at most a second old; zeros while there is no engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterable[Metric]:
        return _engine_metrics(self._engine.statistics or EngineStatistics())


def _engine_metrics(last: EngineStatistics) -> Iterator[Metric]:
    yield GaugeMetricFamily("aquilon:num_requests_running", "Sequences in the running batch", last.running)
    yield GaugeMetricFamily("aquilon:num_requests_waiting", "Sequences waiting for room", last.waiting)
    yield GaugeMetricFamily("aquilon:kv_cache_usage_perc", "Share of KV blocks in use, 0 to 1", last.kv_cache_usage)
    yield CounterMetricFamily(
        "aquilon:prefix_cache_queries", "Prompt tokens looked up in the prefix cache", last.prefix_cache_queries
    )
    yield CounterMetricFamily(
        "aquilon:prefix_cache_hits", "Prompt tokens found in the prefix cache", last.prefix_cache_hits
    )
    yield CounterMetricFamily("aquilon:num_preemptions", "Sequences that gave up their KV blocks", last.preemptions)
    yield CounterMetricFamily("aquilon:engine_steps", "Steps since the engine process started", last.steps)
