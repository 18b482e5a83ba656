"""Runs batch jobs in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp

from aquilon.jobs.creators import Creators
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.job_run import JobContext, JobRun
from aquilon.jobs.metrics import JobMetrics
from aquilon.jobs.pace import Pace
from aquilon.jobs.queue_runner import QueueRunner, Room
from aquilon.jobs.store import batches
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.secrets import new_id
from aquilon.settings import Settings
from aquilon.storage import Database

_LOOK_SECONDS = 1.0
_MOST_JOBS = 8


class JobRunner:
    """Runs jobs until it is stopped. Several processes may each have a runner on one database."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        disk: FilesOnDisk,
        usage_writer: UsageWriter,
        metrics: JobMetrics,
        unfinished: Callable[[], int],
        new_work: asyncio.Event,
    ) -> None:
        """``unfinished`` returns how many requests run in this process, lines of batch jobs included.

        `Batches` sets ``new_work`` when it creates or cancels a job, so that the runner looks at once.
        """
        self._database = database
        self._settings = settings
        self._disk = disk
        self._usage_writer = usage_writer
        self._metrics = metrics
        self._pace = Pace(settings.max_batch_in_flight, unfinished)
        metrics.in_flight.set_function(lambda: self._pace.running)
        self._new_work = new_work
        self._owner = new_id("process")

    async def run(self, app: ASGIApp, stop: asyncio.Event) -> None:
        """Run jobs until ``stop`` is set; each line is a request to ``app``."""
        context = JobContext(
            app=app,
            database=self._database,
            disk=self._disk,
            usage=self._usage_writer,
            pace=self._pace,
            creators=Creators(self._database),
            metrics=self._metrics,
            owner=self._owner,
            result_seconds=self._settings.result_days * 86_400,
            most_lines=self._settings.max_batch_lines,
            most_line_bytes=self._settings.max_body_bytes,
        )
        rooms = [Room(batches.OPEN, _MOST_JOBS)]
        await QueueRunner(
            self._database,
            batches.QUEUE,
            kind="batch job",
            owner=self._owner,
            rooms=rooms,
            begin=lambda batch: JobRun(context, batch),
            new_work=self._new_work,
            look_seconds=_LOOK_SECONDS,
            looked=self._metrics.open,
        ).run(stop)
