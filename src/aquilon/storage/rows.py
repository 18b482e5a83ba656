"""Rows that are written together by statements that are compiled once.

A session's flush costs several times as much as SQLite's own work, so what every stored
answer writes goes around it: on SQLite's own connection, or as one batch to PostgreSQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import ClauseElement
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.storage.database import Database

Row = Mapping[str, Any]


Insert = Callable[[Any], Any]
"""What begins an INSERT into a table, that may go on with ON CONFLICT."""


def insert_of(dialect: str) -> Insert:
    """For ON CONFLICT each database has its own construct. PostgreSQL's takes 2 MB, so SQLite's users don't load it."""
    if dialect == "sqlite":
        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


class Statement:
    """An INSERT, UPDATE or DELETE. All of its values are named parameters, or written in the statement itself."""

    def __init__(self, clause: ClauseElement | Callable[[Insert], ClauseElement], *, only_sqlite: bool = False) -> None:
        """``clause``: or what makes it, for ON CONFLICT. ``only_sqlite``: other databases do by themselves what it
        does."""
        self._clause = clause
        self._made: dict[str, ClauseElement] = {}
        self.only_sqlite = only_sqlite

    def clause(self, dialect: str) -> Any:
        """Made once for each dialect: the driver's text of it is then looked up, not written again."""
        if isinstance(self._clause, ClauseElement):
            return self._clause
        if dialect not in self._made:
            self._made[dialect] = self._clause(insert_of(dialect))
        return self._made[dialect]

    @cached_property
    def sqlite_text(self) -> str:
        return str(self.clause("sqlite").compile(dialect=sqlite.dialect(paramstyle="named")))


Write = tuple[Statement, Sequence[Row]]


def write_at_once(connection: sqlite3.Connection, writes: Sequence[Write]) -> None:
    """Write in the connection's open transaction. Raises sqlite3.Error."""
    for statement, rows in writes:
        connection.executemany(statement.sqlite_text, rows)


async def write_in(session: AsyncSession, writes: Sequence[Write]) -> None:
    """Write in the session's transaction. Raises DBAPIError."""
    connection = await session.connection()
    for statement, rows in writes:
        if rows and (connection.dialect.name == "sqlite" or not statement.only_sqlite):
            await connection.execute(statement.clause(connection.dialect.name), list(rows))


async def write(database: Database, writes: Sequence[Write]) -> None:
    """Write in one transaction; durable when it returns.

    Raises IntegrityError if a row contradicts another one; sqlite3.Error or DBAPIError if the database can't be
    written.
    """
    if not database.writes_at_once:
        async with database.writing() as session:
            await write_in(session, writes)
        return
    try:
        await database.at_once(lambda connection: write_at_once(connection, writes))
    except sqlite3.IntegrityError as error:
        raise IntegrityError("", None, error) from error
