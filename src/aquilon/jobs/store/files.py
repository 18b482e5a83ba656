"""Uploaded files' rows: whose they are, what they are for, until when they are kept."""

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
    """Part of the name."""
    source: str | None = None


async def add(session: AsyncSession, file: StoredFile) -> None:
    session.add(file)
    await session.flush()


async def used_bytes(session: AsyncSession, scope: Scope) -> int:
    """Of all files of the organization."""
    total = await session.scalar(
        scope.select(StoredFile).with_only_columns(func.coalesce(func.sum(StoredFile.bytes), 0))
    )
    return int(total or 0)


async def by_id(session: AsyncSession, principal: Principal, file_id: str, now: int) -> StoredFile | None:
    """A file that the caller may see and that is not expired."""
    return await session.scalar(_visible(principal, now).where(StoredFile.id == file_id))


async def in_organization(session: AsyncSession, scope: Scope, file_id: str, now: int) -> StoredFile | None:
    """A file that is not expired, whoever may see it."""
    query = scope.select(StoredFile).where(StoredFile.id == file_id)
    return await session.scalar(query.where(or_(StoredFile.expires_at.is_(None), StoredFile.expires_at > now)))


async def newest_first(
    session: AsyncSession,
    principal: Principal,
    now: int,
    *,
    wanted: FileFilter,
    after: str | None = None,
    offset: int = 0,
    limit: int,
    oldest_first: bool = False,
) -> list[StoredFile]:
    """A page of the files that the caller may see; ``after`` is the last id of the page before. Ids order by time."""
    query = _filtered(_visible(principal, now), wanted)
    if after is not None:
        query = query.where(StoredFile.id > after if oldest_first else StoredFile.id < after)
    order = StoredFile.id.asc() if oldest_first else StoredFile.id.desc()
    return list(await session.scalars(query.order_by(order).offset(offset).limit(limit)))


async def count(session: AsyncSession, principal: Principal, now: int, *, wanted: FileFilter) -> int:
    query = _filtered(_visible(principal, now), wanted).with_only_columns(func.count())
    return int(await session.scalar(query) or 0)


async def remove(session: AsyncSession, scope: Scope, file_id: str) -> bool:
    """True if there was such a row."""
    gone = await session.execute(scope.delete(StoredFile).where(StoredFile.id == file_id).returning(StoredFile.id))
    return gone.first() is not None


async def known(session: AsyncSession, ids: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these organizations' file ids that have a row."""
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
    mine: ColumnElement[bool] = or_(StoredFile.visibility == "workspace", StoredFile.user_id == principal.user_id)
    return query.where(StoredFile.workspace_id == principal.workspace_id, mine)


def sees_all_workspaces(principal: Principal) -> bool:
    """Owners and administrators who are signed in; a key sees its own workspace, whoever made it."""
    return principal.api_key_id is None and principal.role in ("owner", "administrator")


def _filtered(query: Select[StoredFile], wanted: FileFilter) -> Select[StoredFile]:
    if wanted.purpose is not None:
        query = query.where(StoredFile.purpose == wanted.purpose)
    if wanted.source is not None:
        query = query.where(StoredFile.source == wanted.source)
    if wanted.search:
        query = query.where(StoredFile.name.icontains(wanted.search, autoescape=True))
    return query
