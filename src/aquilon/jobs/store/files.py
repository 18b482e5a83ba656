"""Queries over the rows of uploaded files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, func, or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.jobs.tables import StoredFile
from aquilon.people.identity import Principal
from aquilon.people.scope import Everyone, Scope


@dataclass(frozen=True)
class FileFilter:
    purpose: str | None = None
    search: str | None = None
    """A part of the file's name."""
    source: str | None = None


async def add(session: AsyncSession, file: StoredFile) -> None:
    session.add(file)
    await session.flush()


async def used_bytes(session: AsyncSession, scope: Scope) -> int:
    """The bytes of all files of the organization."""
    total = await session.scalar(
        scope.select(StoredFile).with_only_columns(func.coalesce(func.sum(StoredFile.bytes), 0))
    )
    return int(total or 0)


async def by_id(session: AsyncSession, principal: Principal, file_id: str, *, now: int) -> StoredFile | None:
    """A file that the caller may see and that has not expired."""
    return await session.scalar(_visible(principal, now).where(StoredFile.id == file_id))


async def in_organization(session: AsyncSession, scope: Scope, file_id: str, *, now: int) -> StoredFile | None:
    """A file of the organization that has not expired, whatever its visibility."""
    query = scope.select(StoredFile).where(StoredFile.id == file_id)
    return await session.scalar(query.where(or_(StoredFile.expires_at.is_(None), StoredFile.expires_at > now)))


async def newest_first(
    session: AsyncSession,
    principal: Principal,
    now: int,
    *,
    criteria: FileFilter,
    after: str | None = None,
    offset: int = 0,
    limit: int,
    oldest_first: bool = False,
) -> list[StoredFile]:
    """A page of the files that the caller may see; ``after`` is the last id of the page before. Ids order by time."""
    query = _filtered(_visible(principal, now), criteria)
    if after is not None:
        query = query.where(StoredFile.id > after if oldest_first else StoredFile.id < after)
    order = StoredFile.id.asc() if oldest_first else StoredFile.id.desc()
    return list(await session.scalars(query.order_by(order).offset(offset).limit(limit)))


async def count(session: AsyncSession, principal: Principal, now: int, *, criteria: FileFilter) -> int:
    query = _filtered(_visible(principal, now), criteria).with_only_columns(func.count())
    return int(await session.scalar(query) or 0)


async def remove(session: AsyncSession, scope: Scope, file_id: str) -> bool:
    """Delete a file's row; True if it existed."""
    deleted = await session.execute(scope.delete(StoredFile).where(StoredFile.id == file_id).returning(StoredFile.id))
    return deleted.first() is not None


async def known(session: AsyncSession, ids: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of these pairs of organization and file id, those that have a row."""
    query = Everyone.select(StoredFile).with_only_columns(StoredFile.organization_id, StoredFile.id)
    rows = await session.execute(query.where(StoredFile.id.in_([file_id for _, file_id in ids])))
    return {(organization, file_id) for organization, file_id in rows}


async def expired(session: AsyncSession, now: int, *, most: int) -> list[StoredFile]:
    query = Everyone.select(StoredFile).where(StoredFile.expires_at <= now)
    return list(await session.scalars(query.order_by(StoredFile.expires_at).limit(most)))


def _visible(principal: Principal, now: int) -> Select[StoredFile]:
    query = Scope.of_organization(principal).select(StoredFile)
    query = query.where(or_(StoredFile.expires_at.is_(None), StoredFile.expires_at > now))
    if sees_all_workspaces(principal):
        return query
    visible: ColumnElement[bool] = or_(StoredFile.visibility == "workspace", StoredFile.user_id == principal.user_id)
    return query.where(StoredFile.workspace_id == principal.workspace_id, visible)


def sees_all_workspaces(principal: Principal) -> bool:
    """Whether the caller is a signed-in owner or administrator. A key only sees its workspace, whatever its role."""
    return principal.api_key_id is None and principal.role in ("owner", "administrator")


def _filtered(query: Select[StoredFile], criteria: FileFilter) -> Select[StoredFile]:
    if criteria.purpose is not None:
        query = query.where(StoredFile.purpose == criteria.purpose)
    if criteria.source is not None:
        query = query.where(StoredFile.source == criteria.source)
    if criteria.search:
        query = query.where(StoredFile.name.icontains(criteria.search, autoescape=True))
    return query
