"""Queries over fine-tuning jobs and their events, and the jobs' queue."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Select, case, func, or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.jobs.fine_tuning.tables import FineTuningEvent, FineTuningJob
from aquilon.jobs.queue import Queue
from aquilon.jobs.store.files import sees_all_workspaces
from aquilon.people.identity import Principal
from aquilon.people.scope import Everyone, Scope

BRIEF = ("validating_files", "pausing", "cancelling")
"""The statuses of jobs that a server process is soon done with."""
TO_TRAIN = ("queued", "running")
WORKED_ON = (*BRIEF, *TO_TRAIN)
"""The statuses in which a server process has work with the job."""
RUNNING = case((FineTuningJob.status == "queued", "running"), else_=FineTuningJob.status)
"""The status of a job that is trained from now on; one that was just paused or cancelled keeps its status."""
WAITING = ("validated", "paused")
OPEN = (*WORKED_ON, *WAITING)
ENDED = ("succeeded", "failed", "cancelled")
QUEUE = Queue(FineTuningJob, worked_on=WORKED_ON)

EventKind = Literal["message", "metrics", "checkpoint"]
Level = Literal["info", "warn", "error"]


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    model: str | None = None
    suffix: str | None = None
    user_id: str | None = None
    created_after: int | None = None
    created_before: int | None = None
    statuses: tuple[str, ...] = ()
    """Empty means any."""
    metadata: dict[str, str] = field(default_factory=dict)
    without_metadata: bool = False


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    message: str
    kind: EventKind = "message"
    level: Level = "info"
    step: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
    created_at: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def said(
        cls, code: str, message: str, *, level: Level = "info", at: float | None = None, **figures: Any
    ) -> NewEvent:
        """A message; by its code and figures, clients say it in other languages. ``at``: not now, but at this time."""
        when = int(time.time() if at is None else at)
        return cls(message=message, level=level, data={"code": code, **figures}, created_at=when)


async def add(session: AsyncSession, job: FineTuningJob) -> None:
    session.add(job)
    await session.flush()


async def by_id(session: AsyncSession, principal: Principal, job_id: str) -> FineTuningJob | None:
    """A job that the caller may see."""
    return await session.scalar(_visible(principal).where(FineTuningJob.id == job_id))


async def newest_first(
    session: AsyncSession,
    principal: Principal,
    criteria: JobFilter,
    *,
    after: str | None = None,
    offset: int = 0,
    limit: int,
) -> list[FineTuningJob]:
    """A page of the jobs that the caller may see; ``after`` is the last id of the page before. Ids order by time."""
    query = _filtered(_visible(principal), criteria)
    if after is not None:
        query = query.where(FineTuningJob.id < after)
    return list(await session.scalars(query.order_by(FineTuningJob.id.desc()).offset(offset).limit(limit)))


async def count(session: AsyncSession, principal: Principal, criteria: JobFilter) -> int:
    query = _filtered(_visible(principal), criteria).with_only_columns(func.count())
    return int(await session.scalar(query) or 0)


async def count_open(session: AsyncSession, scope: Scope) -> int:
    query = scope.select(FineTuningJob).where(FineTuningJob.status.in_(OPEN)).with_only_columns(func.count())
    return int(await session.scalar(query) or 0)


async def reader_of(session: AsyncSession, scope: Scope, file_id: str) -> str | None:
    """The id of a job of the organization that reads this file and has not ended; None if there is none."""
    jobs = await session.scalars(scope.select(FineTuningJob).where(FineTuningJob.status.in_(OPEN)))
    return next((job.id for job in jobs if file_id in (*job.training_file_ids, *job.validation_file_ids)), None)


async def change(
    session: AsyncSession, scope: Scope, job_id: str, *, when: Collection[str], untouched: bool = False, **values: Any
) -> bool:
    """Change a job that has one of the statuses ``when`` and, with ``untouched``, on which no server process works and
    that has trained on nothing."""
    update = scope.update(FineTuningJob).where(FineTuningJob.id == job_id, FineTuningJob.status.in_(when))
    if untouched:
        update = update.where(FineTuningJob.lease_owner.is_(None), FineTuningJob.trained_tokens == 0)
    changed = await session.execute(
        update.values(modified_at=int(time.time()), **values)
        .returning(FineTuningJob.id)
        .execution_options(synchronize_session=False)
    )
    return changed.first() is not None


async def advance(
    session: AsyncSession, job: FineTuningJob, owner: str, *, when: Collection[str] = WORKED_ON, **values: Any
) -> bool:
    """As `Queue.change`, which notes the time."""
    return await QUEUE.change(session, job, owner, when=when, values={"modified_at": int(time.time()), **values})


async def current(session: AsyncSession, job: FineTuningJob) -> FineTuningJob | None:
    """The job as it is in the database now; None if it is deleted."""
    query = Scope(job.organization_id).select(FineTuningJob).where(FineTuningJob.id == job.id)
    return await session.scalar(query.execution_options(populate_existing=True))


async def add_events(session: AsyncSession, job: FineTuningJob, events: Sequence[NewEvent]) -> None:
    newest = _events(job).with_only_columns(func.coalesce(func.max(FineTuningEvent.number), 0))
    number = int(await session.scalar(newest) or 0)
    for event in events:
        number += 1
        session.add(
            FineTuningEvent(
                job_id=job.id,
                number=number,
                organization_id=job.organization_id,
                kind=event.kind,
                level=event.level,
                message=event.message,
                step=event.step,
                data=event.data,
                created_at=event.created_at,
            )
        )
    await session.flush()


async def forget_steps(session: AsyncSession, job: FineTuningJob, *, after: int) -> None:
    """Delete the metrics and checkpoints of steps that are taken again."""
    await session.execute(
        Scope(job.organization_id)
        .delete(FineTuningEvent)
        .where(FineTuningEvent.job_id == job.id, FineTuningEvent.kind != "message", FineTuningEvent.step > after)
    )


async def events(
    session: AsyncSession,
    job: FineTuningJob,
    *,
    kinds: Collection[EventKind] = ("message", "metrics", "checkpoint"),
    before: int | None = None,
    after: int | None = None,
    limit: int,
) -> list[FineTuningEvent]:
    """Events in order after number ``after``; without it the newest first, those before number ``before``."""
    query = _events(job).where(FineTuningEvent.kind.in_(kinds))
    if after is not None:
        query = query.where(FineTuningEvent.number > after).order_by(FineTuningEvent.number)
    else:
        query = query.order_by(FineTuningEvent.number.desc())
        if before is not None:
            query = query.where(FineTuningEvent.number < before)
    return list(await session.scalars(query.limit(limit)))


async def remove(session: AsyncSession, scope: Scope, job_id: str) -> bool:
    """Delete a job with its events; True if it existed and had ended."""
    query = scope.delete(FineTuningJob).where(FineTuningJob.id == job_id, FineTuningJob.status.in_(ENDED))
    return (await session.execute(query.returning(FineTuningJob.id))).first() is not None


async def prune(session: AsyncSession, *, before: int, most: int) -> int:
    """Delete at most ``most`` jobs that ended before ``before``; returns how many."""
    ended = Everyone.select(FineTuningJob).where(FineTuningJob.ended_at < before)
    old = ended.with_only_columns(FineTuningJob.id).limit(most)
    deleted = await session.execute(
        Everyone.delete(FineTuningJob).where(FineTuningJob.id.in_(old)).returning(FineTuningJob.id)
    )
    return len(deleted.all())


async def open_ids(session: AsyncSession) -> set[str]:
    """The ids of all organizations' jobs that have not ended."""
    query = Everyone.select(FineTuningJob).where(FineTuningJob.status.in_(OPEN))
    return set(await session.scalars(query.with_only_columns(FineTuningJob.id)))


def _events(job: FineTuningJob) -> Select[FineTuningEvent]:
    return Scope(job.organization_id).select(FineTuningEvent).where(FineTuningEvent.job_id == job.id)


def _visible(principal: Principal) -> Select[FineTuningJob]:
    query = Scope.of_organization(principal).select(FineTuningJob)
    if sees_all_workspaces(principal):
        return query
    return query.where(FineTuningJob.workspace_id == principal.workspace_id)


def _filtered(query: Select[FineTuningJob], criteria: JobFilter) -> Select[FineTuningJob]:
    if criteria.model is not None:
        query = query.where(or_(FineTuningJob.base == criteria.model, FineTuningJob.fine_tuned_model == criteria.model))
    if criteria.suffix is not None:
        query = query.where(FineTuningJob.suffix == criteria.suffix)
    if criteria.user_id is not None:
        query = query.where(FineTuningJob.user_id == criteria.user_id)
    if criteria.created_after is not None:
        query = query.where(FineTuningJob.created_at > criteria.created_after)
    if criteria.created_before is not None:
        query = query.where(FineTuningJob.created_at < criteria.created_before)
    if criteria.statuses:
        query = query.where(FineTuningJob.status.in_(criteria.statuses))
    for name, value in criteria.metadata.items():
        query = query.where(FineTuningJob.job_metadata[name].as_string() == value)
    if criteria.without_metadata:
        query = query.where(FineTuningJob.job_metadata.is_(None))
    return query
