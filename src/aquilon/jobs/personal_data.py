"""Files and batch jobs as a person's data, and the answers that are kept for an ``Idempotency-Key``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aquilon.jobs.files import Files
from aquilon.jobs.fine_tuning.result import forget_run
from aquilon.jobs.fine_tuning.tables import FineTuningJob
from aquilon.jobs.store import files as stored_files
from aquilon.jobs.tables import Batch, IdempotencyKey, StoredFile
from aquilon.people.personal_data import ArchiveFile, Person, as_json
from aquilon.people.scope import Scope
from aquilon.storage import Database

_AT_ONCE = 200
_CHUNK = 2**18
_BATCH_COLUMNS = ("id", "endpoint", "model", "status", "input_file_ids", "total", "succeeded", "failed", "created_at")

_FINE_TUNING_COLUMNS = (
    "id",
    "base",
    "method",
    "suffix",
    "status",
    "training_file_ids",
    "validation_file_ids",
    "hyperparameters",
    "fine_tuned_model",
    "trained_tokens",
    "created_at",
    "ended_at",
)


class JobData:
    tables = frozenset(
        {"files", "batches", "batch_lines", "fine_tuning_jobs", "fine_tuning_events", "idempotency_keys"}
    )

    def __init__(self, database: Database, files: Files, runs: Path) -> None:
        """``runs`` is the folder with the runs of fine-tuning jobs."""
        self._database = database
        self._files = files
        self._runs = runs

    async def export(self, person: Person) -> AsyncIterator[ArchiveFile]:
        scope, last = person.scope, ""
        while rows := await self._files_after(person, last):
            for row in rows:
                last = row.id
                path = self._files.disk.path(row.organization_id, row.id)
                if await asyncio.to_thread(path.is_file):
                    yield ArchiveFile(f"files/{row.id}/{_plain(row.name)}", _content(path), packed=False)
        async with self._database.reading() as session:
            jobs = list(await session.scalars(scope.select(Batch).order_by(Batch.id)))
        described = [{name: getattr(job, name) for name in _BATCH_COLUMNS} for job in jobs]
        if described:
            yield ArchiveFile("batches.json", as_json(described))

        async with self._database.reading() as session:
            trainings = list(await session.scalars(scope.select(FineTuningJob).order_by(FineTuningJob.id)))
        if trainings:
            listed = [{name: getattr(job, name) for name in _FINE_TUNING_COLUMNS} for job in trainings]
            yield ArchiveFile("fine-tuning-jobs.json", as_json(listed))

    async def erase(self, person: Person) -> Mapping[str, int]:
        """Jobs that run end with their rows, without further files. Models that learnt from the person's files are the
        organization's, and stay until it deletes them."""
        scope = person.scope
        async with self._database.writing() as session:
            owners = IdempotencyKey.owner.in_((person.user_id, *person.key_ids))
            await session.execute(Scope(person.organization_id).delete(IdempotencyKey).where(owners))
            jobs = await session.execute(scope.delete(Batch).returning(Batch.id))
            batches = len(jobs.all())
            trainings = list(await session.scalars(scope.delete(FineTuningJob).returning(FineTuningJob.id)))
        for job_id in trainings:
            await asyncio.to_thread(forget_run, self._runs / job_id)
        files = 0
        while rows := await self._files_after(person, ""):
            async with self._database.writing() as session:
                for row in rows:
                    await stored_files.remove(session, scope, row.id)
            for row in rows:
                await asyncio.to_thread(self._files.disk.remove, row.organization_id, row.id)
            files += len(rows)
        return {"files": files, "batches": batches, "fine_tuning_jobs": len(trainings)}

    async def _files_after(self, person: Person, last: str) -> list[StoredFile]:
        scope = person.scope
        query = scope.select(StoredFile).where(StoredFile.id > last).order_by(StoredFile.id).limit(_AT_ONCE)
        async with self._database.reading() as session:
            return list(await session.scalars(query))


async def _content(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


def _plain(name: str) -> str:
    """The uploader's name as one name in an archive, whichever system unpacks it."""
    plain = "".join(character if character.isalnum() or character in "-_. " else "_" for character in name)
    return plain.strip(". ")[:120] or "file"
