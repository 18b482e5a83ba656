"""Queries over a person's memory. Every scope here is a person's: `Scope.of_user`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, func, insert, or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.tables.memories import Memory, MemoryProposal, MemorySettings, MemoryUse
from aquilon.conversations.tables import StoredRun
from aquilon.people.identity import Principal
from aquilon.people.scope import Everyone, Scope
from aquilon.people.tables import ApiKeySecret


async def settings(session: AsyncSession, scope: Scope) -> MemorySettings | None:
    return await session.scalar(scope.select(MemorySettings))


async def settings_of_all(session: AsyncSession, scope: Scope) -> dict[str, bool]:
    """By person, whether the memory is on. ``scope``: an organization's."""
    columns = scope.select(MemorySettings).with_only_columns(MemorySettings.user_id, MemorySettings.enabled)
    return {row.user_id: row.enabled for row in await session.execute(columns)}


async def has_newer_secret(session: AsyncSession, scope: Scope, key_id: str, *, since: int) -> bool:
    query = scope.select(ApiKeySecret).where(ApiKeySecret.api_key_id == key_id, ApiKeySecret.created_at > since)
    return await session.scalar(query.limit(1)) is not None


def _current(now: int) -> ColumnElement[bool]:
    return or_(Memory.expires_at.is_(None), Memory.expires_at > now)


async def entries(session: AsyncSession, scope: Scope, *, now: int) -> Sequence[Memory]:
    """All that have not expired, the latest first: ids order by time."""
    return list(await session.scalars(scope.select(Memory).where(_current(now)).order_by(Memory.id.desc())))


async def usable(
    session: AsyncSession, scope: Scope, *, project_id: str | None, assistant_id: str | None, now: int
) -> Sequence[Memory]:
    """Those for an answer in this project or in none, of this assistant or of none; the latest changes first."""
    query = scope.select(Memory).where(
        _current(now),
        or_(Memory.project_id.is_(None), Memory.project_id == project_id),
        or_(Memory.assistant_id.is_(None), Memory.assistant_id == assistant_id),
    )
    return list(await session.scalars(query.order_by(Memory.updated_at.desc(), Memory.id.desc())))


async def by_id(session: AsyncSession, scope: Scope, memory_id: str, *, now: int) -> Memory | None:
    return await session.scalar(scope.select(Memory).where(Memory.id == memory_id, _current(now)))


async def count(session: AsyncSession, scope: Scope) -> int:
    counted = scope.select(Memory).with_only_columns(func.count())
    return await session.scalar(counted) or 0


async def delete_entry(session: AsyncSession, scope: Scope, memory_id: str) -> bool:
    """False if there was none."""
    deleted = scope.delete(Memory).where(Memory.id == memory_id).returning(Memory.id)
    return (await session.execute(deleted)).first() is not None


async def delete_all(session: AsyncSession, scope: Scope) -> int:
    """Delete entries and proposals; returns how many."""
    deleted = 0
    for table in (Memory, MemoryProposal):
        deleted += len((await session.execute(scope.delete(table).returning(table.id))).all())
    return deleted


async def proposals(session: AsyncSession, scope: Scope) -> Sequence[MemoryProposal]:
    """The latest first."""
    return list(await session.scalars(scope.select(MemoryProposal).order_by(MemoryProposal.id.desc())))


async def proposal(session: AsyncSession, scope: Scope, proposal_id: str) -> MemoryProposal | None:
    return await session.scalar(scope.select(MemoryProposal).where(MemoryProposal.id == proposal_id))


async def delete_proposal(session: AsyncSession, scope: Scope, proposal_id: str) -> bool:
    """False if there was none."""
    deleted = scope.delete(MemoryProposal).where(MemoryProposal.id == proposal_id).returning(MemoryProposal.id)
    return (await session.execute(deleted)).first() is not None


async def note_uses(
    session: AsyncSession, principal: Principal, run_id: str, memory_ids: Collection[str], *, now: int
) -> None:
    """Those of these entries that are still there were used in an answer."""
    scope = Scope.of_user(principal)
    used = scope.update(Memory).where(Memory.id.in_(memory_ids)).returning(Memory.id)
    ids = list(await session.scalars(used.values(last_used_at=now, uses=Memory.uses + 1)))
    is_stored = await session.scalar(scope.select(StoredRun).where(StoredRun.id == run_id)) is not None
    if ids and is_stored:
        owner = {"run_id": run_id, "organization_id": scope.organization_id, "user_id": principal.user_id}
        await session.execute(insert(MemoryUse), [owner | {"memory_id": id_} for id_ in ids])


async def uses(session: AsyncSession, scope: Scope, runs: ColumnElement[bool]) -> Sequence[tuple[str, str]]:
    """By answer, the entries that it used, in the order of the answers. ``runs``: which answers."""
    query = scope.select(MemoryUse).join(StoredRun, StoredRun.id == MemoryUse.run_id).where(runs)
    columns = query.with_only_columns(MemoryUse.run_id, MemoryUse.memory_id)
    ordered = columns.order_by(StoredRun.created_at, MemoryUse.run_id, MemoryUse.memory_id)
    return [(run_id, memory_id) for run_id, memory_id in await session.execute(ordered)]


async def prune(session: AsyncSession, *, now: int, proposed_before: int, most: int) -> int:
    """Delete some of everybody's expired entries and old proposals; returns how many."""
    deleted = 0
    is_old = MemoryProposal.created_at < proposed_before
    for table, is_over in ((Memory, Memory.expires_at <= now), (MemoryProposal, is_old)):
        ids = list(await session.scalars(Everyone.select(table).with_only_columns(table.id).where(is_over).limit(most)))
        if ids:
            await session.execute(Everyone.delete(table).where(table.id.in_(ids)))
        deleted += len(ids)
    return deleted
