"""Queries over passages: written while a document is read, loaded for a search, shown with what is around them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Select, bindparam, func, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.libraries.tables import LibraryDocument, Passage
from aquilon.people.scope import Everyone, Scope
from aquilon.storage.rows import Row, Statement, write_in

_ADD = Statement(insert(Passage))
_INDEX = Statement(
    text(
        "INSERT INTO passage_search (rowid, library_id, words) SELECT id, library_id, words FROM library_passages "
        "WHERE library_id = :library AND file_id = :file AND number BETWEEN :first AND :last"
    ),
    only_sqlite=True,
)
_SET_VECTOR = Statement(
    Everyone.update(Passage)
    .where(Passage.organization_id == bindparam("owner"), Passage.id == bindparam("passage"))
    .values(vector=bindparam("new_vector"))
)


async def add(session: AsyncSession, document: LibraryDocument, rows: Sequence[Row]) -> None:
    """Add passages, whose numbers follow each other."""
    if not rows:
        return
    key = {"library": document.library_id, "file": document.file_id}
    numbers = {"first": rows[0]["number"], "last": rows[-1]["number"]}
    await write_in(session, [(_ADD, rows), (_INDEX, [key | numbers])])


async def set_vectors(session: AsyncSession, scope: Scope, vectors: Sequence[tuple[int, bytes]]) -> None:
    rows = [
        {"owner": scope.organization_id, "passage": passage_id, "new_vector": vector} for passage_id, vector in vectors
    ]
    await write_in(session, [(_SET_VECTOR, rows)])


async def without_vector(session: AsyncSession, document: LibraryDocument, *, most: int) -> list[Passage]:
    """The first passages of a document whose vectors are still to be computed."""
    query = _of(document).where(Passage.vector.is_(None)).order_by(Passage.number)
    return list(await session.scalars(query.limit(most)))


async def number_of(session: AsyncSession, document: LibraryDocument) -> int:
    return int(await session.scalar(_of(document).with_only_columns(func.count())) or 0)


async def number_in(session: AsyncSession, scope: Scope, library_id: str) -> int:
    query = scope.select(Passage).where(Passage.library_id == library_id)
    return int(await session.scalar(query.with_only_columns(func.count())) or 0)


async def delete_of(session: AsyncSession, document: LibraryDocument) -> None:
    query = Scope(document.organization_id).delete(Passage)
    await session.execute(query.where(Passage.library_id == document.library_id, Passage.file_id == document.file_id))


async def vectors(
    session: AsyncSession, scope: Scope, library_id: str, *, after: int, most: int
) -> list[tuple[int, str, bytes]]:
    """Id, file and vector of passages of the library that can be searched by their meaning, in the order of ids."""
    query = scope.select(Passage).join(
        LibraryDocument,
        (LibraryDocument.library_id == Passage.library_id) & (LibraryDocument.file_id == Passage.file_id),
    )
    ready = query.where(
        Passage.library_id == library_id,
        LibraryDocument.status == "completed",
        Passage.vector.is_not(None),
        Passage.id > after,
    )
    columns = ready.with_only_columns(Passage.id, Passage.file_id, Passage.vector)
    rows = await session.execute(columns.order_by(Passage.id).limit(most))
    return [(row[0], row[1], row[2] or b"") for row in rows]


async def by_ids(session: AsyncSession, scope: Scope, ids: Collection[int]) -> dict[int, Passage]:
    rows = await session.scalars(scope.select(Passage).where(Passage.id.in_(ids)))
    return {row.id: row for row in rows}


async def by_id(session: AsyncSession, document: LibraryDocument, passage_id: int) -> Passage | None:
    return await session.scalar(_of(document).where(Passage.id == passage_id))


async def in_range(session: AsyncSession, document: LibraryDocument, *, begin: int, end: int) -> list[Passage]:
    """The passages with a part of this range of the document's text, in order."""
    query = _of(document).where(Passage.end > begin, Passage.begin < end)
    return list(await session.scalars(query.order_by(Passage.number)))


def joined(passages: Sequence[Passage]) -> str:
    """The text of passages that follow each other, where they overlap once."""
    parts, end = [], passages[0].begin if passages else 0
    for passage in passages:
        if passage.end > end:
            parts.append(passage.text[max(0, end - passage.begin) :])
            end = passage.end
    return "".join(parts)


def _of(document: LibraryDocument) -> Select[Passage]:
    query = Scope(document.organization_id).select(Passage)
    return query.where(Passage.library_id == document.library_id, Passage.file_id == document.file_id)
