"""Runs fine-tuning jobs: claims them from the queue, renews their leases, and releases them at the end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError

from aquilon.catalogue.catalogue import Catalogue
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.fine_tuning import store
from aquilon.jobs.fine_tuning.process import PROGRAM
from aquilon.jobs.fine_tuning.result import forget_run
from aquilon.jobs.fine_tuning.run import JobWork, LeaseLost, RunContext
from aquilon.jobs.waiting import until_any
from aquilon.money.training_payment import TrainingPayments
from aquilon.people.secrets import new_id
from aquilon.settings import Settings
from aquilon.storage import Database

LEASE_SECONDS = 30
"""Another process takes over a dead process's job after this long; at once where only one process can run."""
_LOOK_SECONDS = 1.0
_BRIEF_AT_ONCE = 2
_RETRY_SECONDS = 5.0
_SWEEP_AFTER_SECONDS = 3600

log = structlog.get_logger("aquilon.fine_tuning")


class FineTuningRunner:
    """Runs jobs until it is stopped. Several processes may each have a runner on one database."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        disk: FilesOnDisk,
        catalogue: Catalogue,
        payments: TrainingPayments,
        new_work: asyncio.Event,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        """`FineTuningJobs` sets ``new_work`` when it changes a job, so that the runner looks at once."""
        self._database = database
        self._most = 0 if settings.is_gateway else settings.training_processes
        self._new_work = new_work
        self._owner = new_id("process")
        self._folder = settings.fine_tuning_folder / "runs"
        self._context = RunContext(
            database=database,
            disk=disk,
            catalogue=catalogue,
            payments=payments,
            owner=self._owner,
            runs_folder=self._folder,
            models_folder=settings.fine_tuned_folder,
            program=program,
            most_memory=settings.training_memory,
        )
        self._works: dict[str, tuple[JobWork, bool, asyncio.Task[None]]] = {}
        """By job: the work, whether it trains, and its task."""

    async def run(self, stop: asyncio.Event) -> None:
        if not self._most:
            return
        first = True
        try:
            while not stop.is_set():
                self._new_work.clear()
                try:
                    await self._look(others_too=first and not self._database.is_shared)
                    first = False
                except (DBAPIError, OSError) as error:
                    log.warning("Fine-tuning jobs can't be looked for now", error=str(error))
                await until_any(stop, self._new_work, seconds=_LOOK_SECONDS)
        finally:
            await self._end()

    async def sweep(self) -> int:
        """One step: delete the folder of a run that has ended, as a kill may leave it; returns how many."""
        folders = await asyncio.to_thread(_old_folders, self._folder)
        if not folders:
            return 0
        async with self._database.reading() as session:
            open_ids = await store.open_ids(session)
        left = [folder for folder in folders if folder.name not in open_ids and folder.name not in self._works]
        for folder in left:
            await asyncio.to_thread(forget_run, folder)
        return len(left)

    async def _look(self, *, others_too: bool) -> None:
        """Renew this process's leases, notice what was paused or cancelled, and claim free jobs."""
        now = int(time.time())
        if self._works:
            async with self._database.writing() as session:
                ours = await store.renew(session, self._owner, now + LEASE_SECONDS)
            for job_id, (work, _, task) in self._works.items():
                if job_id not in ours:
                    task.cancel()  # the job has ended or is deleted, or another process has it
                elif ours[job_id] == "pausing":
                    work.ask("pause")
                elif ours[job_id] == "cancelling":
                    work.ask("cancel")
        async with self._database.reading() as session:
            if not await store.any_to_work_on(session):
                return
        training = sum(trains for _, trains, _ in self._works.values())
        for statuses, room in (
            (store.BRIEF, _BRIEF_AT_ONCE - (len(self._works) - training)),
            (store.TO_TRAIN, self._most - training),
        ):
            if room > 0:
                await self._claim(statuses, room, now=now, others_too=others_too)

    async def _claim(self, statuses: Sequence[str], room: int, *, now: int, others_too: bool) -> None:
        async with self._database.writing() as session:
            claimed = await store.claim(
                session,
                self._owner,
                statuses,
                now=now,
                until=now + LEASE_SECONDS,
                others_too=others_too,
                most=room,
                running=[work.job.organization_id for work, _, _ in self._works.values()],
            )
        for job in claimed:
            work = JobWork(self._context, job)
            self._works[job.id] = work, statuses is store.TO_TRAIN, asyncio.create_task(self._work(work, job.id))

    async def _work(self, work: JobWork, job_id: str) -> None:
        try:
            await work.run()
        except LeaseLost:
            log.info("A fine-tuning job isn't this process's any more", job=job_id)
            await self._forget_deleted(work)
        except asyncio.CancelledError:
            await asyncio.shield(self._forget_deleted(work))
            raise
        except Exception:
            log.exception("A fine-tuning job stopped, and is tried again", job=job_id)
            await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.shield(self._release(job_id))
        finally:
            if self._works.get(job_id, (None,))[0] is work:
                self._works.pop(job_id)
            self._new_work.set()

    async def _forget_deleted(self, work: JobWork) -> None:
        """Delete the run of a job that was deleted, as with its creator's account."""
        with suppress(DBAPIError, OSError):
            async with self._database.reading() as session:
                if await store.current(session, work.job) is None:
                    await asyncio.to_thread(forget_run, self._folder / work.job.id)

    async def _end(self) -> None:
        """Stop all work. The process that claims a job next goes on from its last checkpoint."""
        tasks = [task for _, _, task in self._works.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._release()

    async def _release(self, job_id: str | None = None) -> None:
        with suppress(DBAPIError, OSError):
            async with self._database.writing() as session:
                await store.release(session, self._owner, job_id)


def _old_folders(folder: Path) -> list[Path]:
    before = time.time() - _SWEEP_AFTER_SECONDS
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir() and entry.stat().st_mtime < before]
