"""Queries over libraries: which ones a caller may see, and when they expire."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, func, or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.libraries.store.between import page_between
from aquilon.libraries.tables import Library, LibraryBatch, LibraryDocument
from aquilon.people.identity import Principal
from aquilon.people.permissions import require, require_feature
from aquilon.people.scope import Everyone, Scope

DAY = 86_400
"""Seconds."""


@dataclass
class Counts:
    """How many documents have each status, and what they hold."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    bytes: int = 0

    @property
    def total(self) -> int:
        return self.in_progress + self.completed + self.failed + self.cancelled


def visible(principal: Principal) -> Select[Library]:
    """The libraries of the caller's workspace that are shared with it and, for a signed-in person, their own.

    Raises ApiError 403 if the caller may not ask models or the organization has turned documents off.
    """
    require(principal, "generate", principal.workspace_role)
    require_feature(principal, "documents")
    shared = and_(Library.visibility == "workspace", Library.workspace_id == principal.workspace_id)
    query = Scope.of_organization(principal).select(Library)
    if principal.api_key_id is not None:
        return query.where(shared)
    return query.where(or_(shared, and_(Library.visibility == "user", Library.user_id == principal.user_id)))


async def by_id(session: AsyncSession, principal: Principal, library_id: str) -> Library | None:
    return await session.scalar(visible(principal).where(Library.id == library_id))


async def by_ids(session: AsyncSession, scope: Scope, ids: Sequence[str]) -> list[Library]:
    return list(await session.scalars(scope.select(Library).where(Library.id.in_(ids))))


async def page(
    session: AsyncSession,
    principal: Principal,
    *,
    after: str | None = None,
    before: str | None = None,
    search: str | None = None,
    oldest_first: bool = False,
    offset: int = 0,
    limit: int,
) -> tuple[list[Library], bool]:
    """A page in the order of creation, which is that of the ids, and whether there are more: see `page_between`."""
    query = visible(principal)
    if search:
        query = query.where(Library.name.icontains(search, autoescape=True))
    rows, has_more = await page_between(
        session,
        query,
        (Library.created_at, Library.id),
        Library.id,
        after=after,
        before=before,
        oldest_first=oldest_first,
        offset=offset,
        limit=limit,
    )
    return [row[0] for row in rows], has_more


async def count(session: AsyncSession, principal: Principal, *, search: str | None = None) -> int:
    query = visible(principal)
    if search:
        query = query.where(Library.name.icontains(search, autoescape=True))
    return int(await session.scalar(query.with_only_columns(func.count())) or 0)


async def counts(session: AsyncSession, scope: Scope, library_ids: Sequence[str]) -> dict[str, Counts]:
    """By library."""
    query = scope.select(LibraryDocument).where(LibraryDocument.library_id.in_(library_ids))
    return await _counts(session, query, library_ids)


async def counts_of_batch(session: AsyncSession, scope: Scope, batch: LibraryBatch) -> Counts:
    query = scope.select(LibraryDocument).where(
        LibraryDocument.library_id == batch.library_id, LibraryDocument.batch_id == batch.id
    )
    return (await _counts(session, query, [batch.library_id]))[batch.library_id]


async def _counts(
    session: AsyncSession, documents: Select[LibraryDocument], library_ids: Sequence[str]
) -> dict[str, Counts]:
    table, counts = LibraryDocument, {library_id: Counts() for library_id in library_ids}
    columns = (table.library_id, table.status, func.count(), func.coalesce(func.sum(table.bytes), 0))
    query = documents.with_only_columns(*columns).group_by(table.library_id, table.status)
    for library_id, status, number, size in await session.execute(query):
        setattr(counts[library_id], status, number)
        counts[library_id].bytes += int(size)
    return counts


async def searchable(session: AsyncSession, scope: Scope, library_id: str) -> int:
    """How many documents of the library can be searched."""
    query = scope.select(LibraryDocument).where(
        LibraryDocument.library_id == library_id, LibraryDocument.status == "completed"
    )
    return int(await session.scalar(query.with_only_columns(func.count())) or 0)


async def touch(session: AsyncSession, scope: Scope, library_id: str, *, changed: bool) -> None:
    """Note that the library is used. ``changed``: its passages or attributes are others than before."""
    now = int(time.time())
    update = scope.update(Library).where(Library.id == library_id)
    values = {"last_active_at": now, "expires_at": Library.expires_days * DAY + now}
    if changed:
        values |= {"edition": Library.edition + 1, "updated_at": now}
    await session.execute(update.values(**values).execution_options(synchronize_session=False))


async def set_embedding_model(session: AsyncSession, scope: Scope, library_id: str, model: str) -> str | None:
    """The model of the library's vectors: ``model``, unless it has one already; None if the library is gone."""
    unset = scope.update(Library).where(Library.id == library_id, Library.embedding_model.is_(None))
    await session.execute(unset.values(embedding_model=model).execution_options(synchronize_session=False))
    query = scope.select(Library).with_only_columns(Library.embedding_model)
    return await session.scalar(query.where(Library.id == library_id))


async def some_of_person(session: AsyncSession, scope: Scope, *, most: int) -> list[str]:
    """Ids of libraries of the scope's user."""
    return list(await session.scalars(scope.select(Library).with_only_columns(Library.id).limit(most)))


async def delete(session: AsyncSession, scope: Scope, library_id: str) -> bool:
    """Delete a library with its documents and their passages; True if it existed."""
    query = scope.delete(Library).where(Library.id == library_id)
    return (await session.execute(query.returning(Library.id))).first() is not None


async def expired(session: AsyncSession, *, now: int, most: int) -> list[LibraryDocument]:
    """Documents of libraries that have expired."""
    query = Everyone.select(LibraryDocument).join(Library, Library.id == LibraryDocument.library_id)
    return list(await session.scalars(query.where(Library.expires_at <= now).limit(most)))


async def batch_by_id(session: AsyncSession, scope: Scope, library_id: str, batch_id: str) -> LibraryBatch | None:
    query = scope.select(LibraryBatch)
    return await session.scalar(query.where(LibraryBatch.id == batch_id, LibraryBatch.library_id == library_id))
