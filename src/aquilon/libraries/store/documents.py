"""Queries over documents of libraries: pages of them, and the queue of those whose text is still to be read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.jobs.queue import NO_LEASE, Queue
from aquilon.jobs.tables import StoredFile
from aquilon.libraries.store.between import page_between
from aquilon.libraries.tables import LibraryDocument
from aquilon.people.scope import Everyone, Scope

Row = tuple[LibraryDocument, StoredFile]
TURN_PASSAGES = 16
"""A document gives way after so many, where another has had fewer turns: none waits for the whole of a long one."""
QUEUE = Queue(LibraryDocument, worked_on=("in_progress",), order=(LibraryDocument.embedded // TURN_PASSAGES,))


@dataclass(frozen=True, kw_only=True)
class DocumentFilter:
    status: str | None = None
    batch_id: str | None = None
    search: str | None = None
    """A part of the name."""


def _of_library(scope: Scope, library_id: str) -> Select[Any]:
    query = scope.select(LibraryDocument).where(LibraryDocument.library_id == library_id)
    return query.join(StoredFile, StoredFile.id == LibraryDocument.file_id).add_columns(StoredFile)


async def by_id(session: AsyncSession, scope: Scope, library_id: str, file_id: str) -> Row | None:
    row = (await session.execute(_of_library(scope, library_id).where(LibraryDocument.file_id == file_id))).first()
    return None if row is None else (row[0], row[1])


async def page(
    session: AsyncSession,
    scope: Scope,
    library_id: str,
    criteria: DocumentFilter,
    *,
    after: LibraryDocument | None = None,
    before: LibraryDocument | None = None,
    oldest_first: bool = False,
    offset: int = 0,
    limit: int,
) -> tuple[list[Row], bool]:
    """A page in the order of addition, and whether there are more: see `page_between`."""
    columns = (LibraryDocument.created_at, LibraryDocument.file_id)
    rows, has_more = await page_between(
        session,
        _filtered(_of_library(scope, library_id), criteria),
        columns,
        tuple_(*columns),
        after=None if after is None else _place(after),
        before=None if before is None else _place(before),
        oldest_first=oldest_first,
        offset=offset,
        limit=limit,
    )
    return [(row[0], row[1]) for row in rows], has_more


def _place(document: LibraryDocument) -> ColumnElement[Any]:
    return tuple_(literal(document.created_at), literal(document.file_id))


async def count(session: AsyncSession, scope: Scope, library_id: str, criteria: DocumentFilter) -> int:
    query = _filtered(scope.select(LibraryDocument).where(LibraryDocument.library_id == library_id), criteria)
    return int(await session.scalar(query.with_only_columns(func.count())) or 0)


async def known(session: AsyncSession, scope: Scope, library_id: str, file_ids: Collection[str]) -> set[str]:
    """Those of the files that are in the library."""
    query = scope.select(LibraryDocument).with_only_columns(LibraryDocument.file_id)
    of_library = query.where(LibraryDocument.library_id == library_id, LibraryDocument.file_id.in_(file_ids))
    return set(await session.scalars(of_library))


async def uploaded(session: AsyncSession, scope: Scope, library_id: str) -> list[str]:
    """The files that were uploaded into the library."""
    query = scope.select(LibraryDocument).with_only_columns(LibraryDocument.file_id)
    of_library = query.where(LibraryDocument.library_id == library_id, LibraryDocument.uploaded.is_(True))
    return list(await session.scalars(of_library))


async def attributes(session: AsyncSession, scope: Scope, library_id: str) -> list[tuple[str, str]]:
    """File id and attributes, as JSON, of each document that can be searched."""
    query = scope.select(LibraryDocument).where(
        LibraryDocument.library_id == library_id, LibraryDocument.status == "completed"
    )
    columns = query.with_only_columns(LibraryDocument.file_id, LibraryDocument.attributes)
    return [(row[0], row[1]) for row in await session.execute(columns)]


async def names(session: AsyncSession, scope: Scope, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """By library and file, the names of documents."""
    table = LibraryDocument
    query = scope.select(table).with_only_columns(table.library_id, table.file_id, table.name)
    rows = await session.execute(query.where(tuple_(table.library_id, table.file_id).in_(list(keys))))
    return {(row[0], row[1]): row[2] for row in rows}


async def some_of_person(session: AsyncSession, scope: Scope, *, most: int) -> list[LibraryDocument]:
    """Documents that the scope's user added."""
    return list(await session.scalars(scope.select(LibraryDocument).limit(most)))


async def delete(session: AsyncSession, document: LibraryDocument) -> None:
    await session.execute(Scope(document.organization_id).delete(LibraryDocument).where(*_is(document)))


async def cancel(session: AsyncSession, scope: Scope, batch_id: str, *, now: int) -> None:
    """End what is still to be read of a batch."""
    waiting = scope.update(LibraryDocument).where(
        LibraryDocument.batch_id == batch_id, LibraryDocument.status == "in_progress"
    )
    await session.execute(waiting.values(status="cancelled", completed_at=now, **NO_LEASE))


def _is(document: LibraryDocument) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return LibraryDocument.library_id == document.library_id, LibraryDocument.file_id == document.file_id


def _filtered(query: Select[Any], criteria: DocumentFilter) -> Select[Any]:
    if criteria.status is not None:
        query = query.where(LibraryDocument.status == criteria.status)
    if criteria.batch_id is not None:
        query = query.where(LibraryDocument.batch_id == criteria.batch_id)
    if criteria.search:
        query = query.where(LibraryDocument.name.icontains(criteria.search, autoescape=True))
    return query


async def is_waited_for(session: AsyncSession, embedded: int) -> bool:
    """Whether a document that nobody works on has had fewer turns than one with so many ``embedded`` passages."""
    table = LibraryDocument
    fewer = table.embedded // TURN_PASSAGES < embedded // TURN_PASSAGES
    query = Everyone.select(table).where(table.status == "in_progress", table.lease_owner.is_(None), fewer)
    return (await session.execute(query.with_only_columns(table.file_id).limit(1))).first() is not None
