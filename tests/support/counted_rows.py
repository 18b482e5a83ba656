"""Counts the statements that a database is asked, and the rows that come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from aquilon.storage import Database


@dataclass
class Counted:
    statements: int = 0
    rows: int = 0


@contextmanager
def counted(database: Database) -> Iterator[Counted]:
    """What goes through sessions: what every answer writes on SQLite's own connection reads no row."""
    count, engine = Counted(), database._engine.sync_engine

    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        count.statements += not statement.startswith("BEGIN")
        count.rows += len(cursor._rows)  # both drivers' adapters fetch all rows at once

    event.listen(engine, "after_cursor_execute", note)
    try:
        yield count
    finally:
        event.remove(engine, "after_cursor_execute", note)
