"""Runs fine-tuning jobs in the background, and deletes what the ended ones left."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

from aquilon.catalogue.catalogue import Catalogue
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.fine_tuning import store
from aquilon.jobs.fine_tuning.process import PROGRAM
from aquilon.jobs.fine_tuning.record import KIND
from aquilon.jobs.fine_tuning.result import forget_run
from aquilon.jobs.fine_tuning.run import JobWork, RunContext
from aquilon.jobs.queue_runner import QueueRunner, Room
from aquilon.money.training_payment import TrainingPayments
from aquilon.people.secrets import new_id
from aquilon.settings import Settings
from aquilon.storage import Database

_LOOK_SECONDS = 1.0
_BRIEF_AT_ONCE = 2
_SWEEP_AFTER_SECONDS = 3600


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
        owner = new_id("process")
        self._folder = settings.fine_tuning_folder / "runs"
        context = RunContext(
            database=database,
            disk=disk,
            catalogue=catalogue,
            payments=payments,
            owner=owner,
            runs_folder=self._folder,
            models_folder=settings.fine_tuned_folder,
            program=program,
            most_memory=settings.training_memory,
        )
        self._queue_runner = QueueRunner(
            database,
            store.QUEUE,
            kind=KIND,
            owner=owner,
            rooms=[Room(store.BRIEF, _BRIEF_AT_ONCE), Room(store.TO_TRAIN, self._most)],
            begin=lambda job: JobWork(context, job),
            new_work=new_work,
            look_seconds=_LOOK_SECONDS,
        )

    async def run(self, stop: asyncio.Event) -> None:
        if self._most:
            await self._queue_runner.run(stop)

    async def sweep(self) -> int:
        """One step: delete the folder of a run that has ended, as a kill may leave it; returns how many."""
        folders = await asyncio.to_thread(_old_folders, self._folder)
        if not folders:
            return 0
        async with self._database.reading() as session:
            open_ids = await store.open_ids(session)
        kept = open_ids | {job.id for job in self._queue_runner.rows}
        left = [folder for folder in folders if folder.name not in kept]
        for folder in left:
            await asyncio.to_thread(forget_run, folder)
        return len(left)


def _old_folders(folder: Path) -> list[Path]:
    before = time.time() - _SWEEP_AFTER_SECONDS
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir() and entry.stat().st_mtime < before]
