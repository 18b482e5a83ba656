"""Queries over batch jobs, and their queue."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, case, func
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.jobs.queue import Queue
from aquilon.jobs.store.files import sees_all_workspaces
from aquilon.jobs.tables import Batch, BatchLine
from aquilon.money.usage_event import Usage
from aquilon.people.identity import Principal
from aquilon.people.scope import Everyone, Scope

OPEN = ("validating", "in_progress", "finalizing", "cancelling")
BEGUN = case((Batch.status == "validating", "in_progress"), else_=Batch.status)
"""The status of a job whose lines are asked from now on; one that was just cancelled keeps its status."""
ENDED = ("completed", "failed", "expired", "cancelled")
QUEUE = Queue(Batch, worked_on=OPEN)


@dataclass(frozen=True, kw_only=True)
class BatchFilter:
    model: str | None = None
    metadata: dict[str, str] | None = None
    created_after: int | None = None
    user_id: str | None = None
    statuses: tuple[str, ...] = ()
    """Empty means any."""


async def add(session: AsyncSession, batch: Batch) -> None:
    session.add(batch)
    await session.flush()


async def by_id(session: AsyncSession, principal: Principal, batch_id: str) -> Batch | None:
    """A job that the caller may see."""
    return await session.scalar(_visible(principal).where(Batch.id == batch_id))


async def newest_first(
    session: AsyncSession,
    principal: Principal,
    criteria: BatchFilter,
    *,
    after: str | None = None,
    offset: int = 0,
    limit: int,
    oldest_first: bool = False,
) -> list[Batch]:
    """A page of the jobs that the caller may see; ``after`` is the last id of the page before. Ids order by time."""
    query = _filtered(_visible(principal), criteria)
    if after is not None:
        query = query.where(Batch.id < after)
    order = Batch.id.asc() if oldest_first else Batch.id.desc()
    return list(await session.scalars(query.order_by(order).offset(offset).limit(limit)))


async def count(session: AsyncSession, principal: Principal, criteria: BatchFilter) -> int:
    query = _filtered(_visible(principal), criteria).with_only_columns(func.count())
    return int(await session.scalar(query) or 0)


async def count_open(session: AsyncSession, scope: Scope) -> int:
    query = scope.select(Batch).where(Batch.status.in_(OPEN)).with_only_columns(func.count())
    return int(await session.scalar(query) or 0)


async def reader_of(session: AsyncSession, scope: Scope, file_id: str) -> str | None:
    """The id of a job of the organization that reads this file and has not ended; None if there is none."""
    jobs = await session.scalars(scope.select(Batch).where(Batch.status.in_(OPEN)))
    return next((job.id for job in jobs if file_id in job.input_file_ids), None)


async def request_cancellation(session: AsyncSession, scope: Scope, batch_id: str, *, now: int) -> bool:
    """Mark a job as cancelling; False if it has ended or its results are already being written."""
    changed = await session.execute(
        scope.update(Batch)
        .where(Batch.id == batch_id, Batch.status.in_(("validating", "in_progress")))
        .values(status="cancelling", cancelling_at=now)
        .returning(Batch.id)
    )
    return changed.first() is not None


async def record_line(
    session: AsyncSession, batch: Batch, owner: str, *, number: int, failed: bool, result: str, usage: Usage
) -> bool:
    """Record a line's result and count it; False if this owner no longer has the job's lease.

    The update locks the job's row first, so two processes that both think they own it take turns.
    """
    counts = {
        "failed" if failed else "succeeded": (Batch.failed if failed else Batch.succeeded) + 1,
        "prompt_tokens": Batch.prompt_tokens + usage.prompt_tokens,
        "cached_tokens": Batch.cached_tokens + usage.cached_tokens,
        "completion_tokens": Batch.completion_tokens + usage.completion_tokens,
    }
    if not await QUEUE.change(session, batch, owner, values=counts):
        return False
    session.add(
        BatchLine(batch_id=batch.id, number=number, organization_id=batch.organization_id, failed=failed, result=result)
    )
    await session.flush()
    return True


async def recorded_numbers(session: AsyncSession, batch: Batch) -> set[int]:
    query = _lines(batch).with_only_columns(BatchLine.number)
    return set(await session.scalars(query))


async def lines(session: AsyncSession, batch: Batch, *, failed: bool, after: int, most: int) -> list[tuple[int, str]]:
    """Numbers and results of at most ``most`` lines after number ``after``, in order."""
    query = _lines(batch).where(BatchLine.failed == failed, BatchLine.number > after)
    page = query.with_only_columns(BatchLine.number, BatchLine.result).order_by(BatchLine.number).limit(most)
    return [(number, result) for number, result in await session.execute(page)]


async def forget_lines(session: AsyncSession, batch: Batch, *, most: int) -> int:
    """Delete at most ``most`` lines of a job whose result files are written; returns how many."""
    numbers = _lines(batch).with_only_columns(BatchLine.number).limit(most)
    deleted = await session.execute(
        Scope(batch.organization_id)
        .delete(BatchLine)
        .where(BatchLine.batch_id == batch.id, BatchLine.number.in_(numbers))
        .returning(BatchLine.number)
    )
    return len(deleted.all())


async def current(session: AsyncSession, batch: Batch) -> Batch | None:
    """The job as it is in the database now; None if it is deleted."""
    query = Scope(batch.organization_id).select(Batch).where(Batch.id == batch.id)
    return await session.scalar(query.execution_options(populate_existing=True))


async def with_leftover_lines(session: AsyncSession) -> Batch | None:
    """A job that has ended but still has lines."""
    query = Everyone.select(Batch).join(BatchLine, BatchLine.batch_id == Batch.id)
    return await session.scalar(query.where(Batch.status.in_(ENDED)).limit(1))


async def remove(session: AsyncSession, scope: Scope, batch_id: str) -> bool:
    """Delete a job; True if it existed and had ended."""
    query = scope.delete(Batch).where(Batch.id == batch_id, Batch.status.in_(ENDED))
    return (await session.execute(query.returning(Batch.id))).first() is not None


async def prune(session: AsyncSession, *, before: int, most: int) -> int:
    """Delete at most ``most`` jobs that ended before ``before``; returns how many."""
    old = Everyone.select(Batch).with_only_columns(Batch.id).where(Batch.ended_at < before).limit(most)
    deleted = await session.execute(Everyone.delete(Batch).where(Batch.id.in_(old)).returning(Batch.id))
    return len(deleted.all())


def _lines(batch: Batch) -> Select[BatchLine]:
    return Scope(batch.organization_id).select(BatchLine).where(BatchLine.batch_id == batch.id)


def _visible(principal: Principal) -> Select[Batch]:
    query = Scope.of_organization(principal).select(Batch)
    return query if sees_all_workspaces(principal) else query.where(Batch.workspace_id == principal.workspace_id)


def _filtered(query: Select[Batch], criteria: BatchFilter) -> Select[Batch]:
    if criteria.model is not None:
        query = query.where(Batch.model == criteria.model)
    if criteria.created_after is not None:
        query = query.where(Batch.created_at > criteria.created_after)
    if criteria.user_id is not None:
        query = query.where(Batch.user_id == criteria.user_id)
    if criteria.statuses:
        query = query.where(Batch.status.in_(criteria.statuses))
    for name, value in (criteria.metadata or {}).items():
        query = query.where(Batch.batch_metadata[name].as_string() == value)
    return query
