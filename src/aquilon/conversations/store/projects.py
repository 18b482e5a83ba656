"""Queries over projects: which ones a caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.store.conversations import seen_by
from aquilon.conversations.tables import StoredProject
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope


def visible(principal: Principal) -> Select[StoredProject]:
    """As with conversations: the workspace's shared ones and a signed-in person's own. Raises ApiError 403."""
    require(principal, "generate", principal.workspace_role)
    return Scope.of_organization(principal).select(StoredProject).where(seen_by(principal, StoredProject))


async def by_id(session: AsyncSession, principal: Principal, project_id: str) -> StoredProject | None:
    """A project that the caller may see."""
    return await session.scalar(visible(principal).where(StoredProject.id == project_id))


async def page(
    session: AsyncSession, principal: Principal, *, after: str | None, limit: int
) -> Sequence[StoredProject]:
    """A page of the caller's projects, the latest first: ids order by time."""
    query = visible(principal)
    if after is not None:
        query = query.where(StoredProject.id < after)
    return list(await session.scalars(query.order_by(StoredProject.id.desc()).limit(limit)))


@dataclass(frozen=True, kw_only=True)
class ProjectContext:
    """What each answer in a project's conversations is given."""

    instructions: str | None = None
    """None if there are none."""
    library_ids: tuple[str, ...] = ()


NO_PROJECT = ProjectContext()


async def context(session: AsyncSession, principal: Principal, project_id: str) -> ProjectContext:
    """`NO_PROJECT` if the caller may not see it."""
    query = visible(principal).where(StoredProject.id == project_id)
    columns = (StoredProject.instructions, StoredProject.library_ids)
    row = (await session.execute(query.with_only_columns(*columns))).first()
    if row is None:
        return NO_PROJECT
    return ProjectContext(instructions=row.instructions or None, library_ids=tuple(row.library_ids))


async def delete(session: AsyncSession, scope: Scope, project_id: str) -> None:
    """Delete a project. Its conversations are then in none."""
    await session.execute(scope.delete(StoredProject).where(StoredProject.id == project_id))
