"""A job's row and events, as the server process that holds its lease changes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aquilon.jobs.fine_tuning import store
from aquilon.jobs.fine_tuning.store import NewEvent
from aquilon.jobs.fine_tuning.tables import FineTuningEvent, FineTuningJob
from aquilon.jobs.queue import LeaseLost
from aquilon.jobs.store.creators import principal_of
from aquilon.jobs.waiting import patiently
from aquilon.people.identity import Principal
from aquilon.storage import Database

_ALL_METRICS = 100_000
KIND = "fine-tuning job"


class JobCancelled(Exception):
    """Somebody cancelled the job."""


class JobRecord:
    def __init__(self, database: Database, owner: str, job: FineTuningJob) -> None:
        self.database = database
        self.owner = owner
        self.job = job

    async def advance(
        self,
        events: Sequence[NewEvent] = (),
        *,
        when: Sequence[str] = store.WORKED_ON,
        forget_after: int | None = None,
        **values: Any,
    ) -> None:
        """Change the job and add events in one transaction; with ``forget_after``, forget what later steps reported.

        Raises LeaseLost, and JobCancelled where ``when`` leaves out a job that is being cancelled; then nothing is
        changed. A job that was asked to end or to pause meanwhile keeps that status, unless it has come to its end.
        """

        async def write() -> bool:
            async with self.database.writing() as session:
                kept = values
                if values.get("status") == "running":
                    kept = {**values, "status": store.RUNNING}
                if not await store.advance(session, self.job, self.owner, when=when, **kept):
                    return False
                if forget_after is not None:
                    await store.forget_steps(session, self.job, after=forget_after)
                if events:
                    await store.add_events(session, self.job, events)
                return True

        if not await patiently(write, kind=KIND):
            current = await self.current() if when is not store.WORKED_ON else None
            if current is not None and current.status == "cancelling":
                raise JobCancelled
            raise LeaseLost

    async def current(self) -> FineTuningJob | None:
        """The job as it is in the database now; None if it is deleted."""
        async with self.database.reading() as session:
            return await store.current(session, self.job)

    async def metrics(self) -> list[FineTuningEvent]:
        """All losses that were reported."""
        kinds: tuple[store.EventKind, ...] = ("metrics",)
        async with self.database.reading() as session:
            return await store.events(session, self.job, kinds=kinds, after=0, limit=_ALL_METRICS)

    async def creator(self) -> Principal | None:
        """Who pays; None if the key or account may no longer be used."""

        async def read() -> Principal | None:
            async with self.database.reading() as session:
                return await principal_of(session, self.job)

        return await patiently(read, kind=KIND)
