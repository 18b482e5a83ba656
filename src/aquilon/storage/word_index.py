"""SQLite's index over the words of another table's rows, and how words that were deleted leave its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, column, delete, insert, literal, select, table, update
from sqlalchemy.ext.asyncio import AsyncSession

MERGED_PAGES = 200
"""Of about 4 kB, in one transaction: some 10 ms."""
_CHANGES_OF_WORK = 2
"""A merge with nothing left to do makes fewer changes (https://sqlite.org/fts5.html, "The 'merge' Command")."""


class DeletedRow(NamedTuple):
    id: int
    owner: str
    words: str


class WordIndex:
    """An FTS5 table with an owner's id and words, and the table into which a trigger moves the words of deleted rows.

    With PostgreSQL there is no such index: its own follows each change of a row.
    """

    def __init__(self, index: str, *, deleted: str, owner: str) -> None:
        """``owner``: the column of both tables whose value a search names, such as ``organization_id``."""
        self._deleted = table(deleted, column("id"), column(owner), column("words"))
        self._index = table(index, column(index), column("rowid"), column(owner), column("words"), column("rank"))
        self._command = self._index.c[index]
        self._owner = owner

    async def deleted(self, session: AsyncSession, *, most: int) -> Sequence[DeletedRow]:
        """Some of the words that are deleted, and not yet noted so in the index."""
        rows = self._deleted
        query = select(rows.c.id, rows.c[self._owner], rows.c.words).where(rows.c.words != "").order_by(rows.c.id)
        return [DeletedRow(*row) for row in await session.execute(query.limit(most))]

    async def remove(self, session: AsyncSession, rows: Sequence[DeletedRow]) -> None:
        """Note in the index that these words are deleted. They stay in it until all is merged."""
        unindex = insert(self._index).values(
            {
                self._command: literal("delete"),
                self._index.c.rowid: bindparam("row"),
                self._index.c[self._owner]: bindparam("row_owner"),
                self._index.c.words: bindparam("row_words"),
            }
        )
        values = [{"row": row.id, "row_owner": row.owner, "row_words": row.words} for row in rows]
        await session.execute(unindex, values)
        noted = self._deleted.c.id.in_([row.id for row in rows])
        await session.execute(update(self._deleted).where(noted).values(words=""))

    async def has_deleted(self, session: AsyncSession) -> bool:
        """Whether words were deleted that SQLite's files may have still."""
        return await session.scalar(select(self._deleted.c.id).limit(1)) is not None

    async def forget_erased(self, session: AsyncSession) -> None:
        """Note that nothing is left of the words that were removed from the index."""
        await session.execute(delete(self._deleted).where(self._deleted.c.words == ""))

    async def forget_deleted(self, session: AsyncSession) -> None:
        """Where there is no such index: the words are those of a SQLite home restored into PostgreSQL."""
        await session.execute(delete(self._deleted))

    async def merge(self, session: AsyncSession, *, first: bool) -> bool:
        """Write some pages of the index anew, without what was removed from it; False when all is done.

        ``first``: begin with everything that is in the index now.
        """
        connection = await session.connection()
        raw: Any = (await connection.get_raw_connection()).driver_connection
        before = raw.total_changes
        pages = -MERGED_PAGES if first else MERGED_PAGES
        await session.execute(insert(self._index).values({self._command: "merge", self._index.c.rank: pages}))
        return bool(raw.total_changes - before >= _CHANGES_OF_WORK)
