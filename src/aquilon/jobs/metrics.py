"""Prometheus metrics of batch jobs."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class JobMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._lines = Counter(
            "aquilon:batch_lines",
            "Lines of batch jobs on record, by how they ended",
            ("endpoint", "outcome"),
            registry=registry,
        )
        self._jobs = Counter("aquilon:batch_jobs_ended", "Batch jobs ended here", ("status",), registry=registry)
        self._open = Gauge("aquilon:batch_jobs_open", "Batch jobs that have not ended", ("status",), registry=registry)
        self.in_flight = Gauge("aquilon:batch_lines_in_flight", "Lines that are asked now", registry=registry)

    def line(self, endpoint: str, *, failed: bool) -> None:
        self._lines.labels(endpoint, "failed" if failed else "succeeded").inc()

    def job(self, status: str) -> None:
        self._jobs.labels(status).inc()

    def open(self, statuses: dict[str, int]) -> None:
        self._open.clear()
        for status, number in statuses.items():
            self._open.labels(status).set(number)
