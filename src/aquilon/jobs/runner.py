"""Runs batch jobs: claims them from the queue, renews their leases, and releases them at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp

from aquilon.jobs.creators import Creators
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.job_run import JobContext, JobRun, LeaseLost
from aquilon.jobs.metrics import JobMetrics
from aquilon.jobs.pace import Pace
from aquilon.jobs.store import batches
from aquilon.jobs.waiting import until_any
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.secrets import new_id
from aquilon.settings import Settings
from aquilon.storage import Database

LEASE_SECONDS = 30
"""Another process takes over a dead process's job after this long; at once where only one process can run."""
_LOOK_SECONDS = 1.0
_MOST_JOBS = 8
_RETRY_SECONDS = 5.0

log = structlog.get_logger("aquilon.jobs")


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
        self._runs: dict[str, tuple[JobRun, asyncio.Task[None]]] = {}

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
        first = True
        try:
            while not stop.is_set():
                self._new_work.clear()
                try:
                    await self._look(context, others_too=first and not self._database.is_shared)
                    first = False
                except (DBAPIError, OSError) as error:
                    log.warning("Batch jobs can't be looked for now", error=str(error))
                await until_any(stop, self._new_work, seconds=_LOOK_SECONDS)
        finally:
            await self._end()

    async def _look(self, context: JobContext, *, others_too: bool) -> None:
        """Renew this process's leases, notice cancellations, and claim free jobs."""
        now = int(time.time())
        if self._runs:
            async with self._database.writing() as session:
                ours = await batches.renew(session, self._owner, now + LEASE_SECONDS)
            for batch_id, (run, task) in self._runs.items():
                if batch_id not in ours:
                    task.cancel()  # the job has ended, or another process has it
                elif ours[batch_id] == "cancelling":
                    run.cancelled.set()
        async with self._database.reading() as session:
            open_jobs = await batches.statuses(session)
        self._metrics.open(open_jobs)
        room = _MOST_JOBS - len(self._runs)
        if room <= 0 or sum(open_jobs.values()) <= len(self._runs):
            return
        async with self._database.writing() as session:
            claimed = await batches.claim(
                session,
                self._owner,
                now=now,
                until=now + LEASE_SECONDS,
                others_too=others_too,
                most=room,
                running=[run.batch.organization_id for run, _ in self._runs.values()],
            )
        for batch in claimed:
            run = JobRun(context, batch)
            self._runs[batch.id] = (run, asyncio.create_task(self._work(run, batch.id)))

    async def _work(self, run: JobRun, batch_id: str) -> None:
        try:
            await run.run()
        except LeaseLost:
            log.warning("A batch job is another process's now", batch=batch_id)
        except Exception:
            log.exception("A batch job stopped, and is tried again", batch=batch_id)
            await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.shield(self._release(batch_id))
        finally:
            self._runs.pop(batch_id, None)

    async def _end(self) -> None:
        """Stop all runs. The process that claims a job next asks its unrecorded lines again."""
        tasks = [task for _, task in self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._release()

    async def _release(self, batch_id: str | None = None) -> None:
        with suppress(DBAPIError, OSError):
            async with self._database.writing() as session:
                await batches.release(session, self._owner, batch_id)
