"""Batch jobs, worked off: claimed from the queue, kept alive, ended in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp

from aquilon.jobs.creators import Creators
from aquilon.jobs.files import Files
from aquilon.jobs.job_run import JobHouse, JobRun, LeaseLost
from aquilon.jobs.metrics import JobMetrics
from aquilon.jobs.pace import Pace
from aquilon.jobs.store import batches
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.secrets import new_id
from aquilon.settings import Settings
from aquilon.storage import Database

LEASE_SECONDS = 30
"""A job of a process that is gone is taken over after so long; at once where only one process can be."""
_LOOK_SECONDS = 1.0
_MOST_JOBS = 8
_RETRY_SECONDS = 5.0

log = structlog.get_logger("aquilon.jobs")


def job_runner(
    app: ASGIApp,
    database: Database,
    settings: Settings,
    *,
    files: Files,
    usage_writer: UsageWriter,
    metrics: JobMetrics,
    unfinished: Callable[[], int],
) -> JobRunner:
    """``unfinished`` tells how many requests run here, those of batch jobs among them."""
    pace = Pace(settings.max_batch_in_flight, unfinished)
    metrics.in_flight.set_function(lambda: pace.running)
    return JobRunner(
        JobHouse(
            app=app,
            database=database,
            disk=files.disk,
            usage=usage_writer,
            pace=pace,
            creators=Creators(database),
            metrics=metrics,
            owner=new_id("process"),
            result_seconds=settings.result_days * 86_400,
            most_lines=settings.max_batch_lines,
            most_line_bytes=settings.max_body_bytes,
        )
    )


class JobRunner:
    """``run`` until it is told to stop. Several may run on one database, each in a process of its own."""

    def __init__(self, house: JobHouse) -> None:
        self._house = house
        self._runs: dict[str, tuple[JobRun, asyncio.Task[None]]] = {}
        self.wake = asyncio.Event()
        """Set when there may be something new to do."""

    async def run(self, stop: asyncio.Event) -> None:
        first = True
        try:
            while not stop.is_set():
                self.wake.clear()
                try:
                    await self._look(others_too=first and not self._house.database.is_shared)
                    first = False
                except (DBAPIError, OSError) as error:
                    log.warning("Batch jobs can't be looked for now", error=str(error))
                await self._until(stop)
        finally:
            await self._end()

    async def _look(self, *, others_too: bool) -> None:
        """Keep what is ours, notice cancellations, take what is free."""
        house, now = self._house, int(time.time())
        if self._runs:
            async with house.database.writing() as session:
                ours = await batches.renew(session, house.owner, now + LEASE_SECONDS)
            for batch_id, (run, task) in self._runs.items():
                if batch_id not in ours:
                    task.cancel()  # ended meanwhile, or somebody else's now
                elif ours[batch_id] == "cancelling":
                    run.cancelled.set()
        async with house.database.reading() as session:
            open_jobs = await batches.statuses(session)
        house.metrics.open(open_jobs)
        room = _MOST_JOBS - len(self._runs)
        if room <= 0 or sum(open_jobs.values()) <= len(self._runs):
            return
        async with house.database.writing() as session:
            claimed = await batches.claim(
                session,
                house.owner,
                now=now,
                until=now + LEASE_SECONDS,
                others_too=others_too,
                most=room,
                running=[run.batch.organization_id for run, _ in self._runs.values()],
            )
        for batch in claimed:
            run = JobRun(house, batch)
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

    async def _until(self, stop: asyncio.Event) -> None:
        """The next look's time, or earlier when there is news."""
        waiting = [asyncio.create_task(event.wait()) for event in (stop, self.wake)]
        await asyncio.wait(waiting, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _end(self) -> None:
        """Stop asking; what isn't on record is asked again by whoever takes the jobs next."""
        tasks = [task for _, task in self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._release()

    async def _release(self, batch_id: str | None = None) -> None:
        with suppress(DBAPIError, OSError):
            async with self._house.database.writing() as session:
                await batches.release(session, self._house.owner, batch_id)
