"""Upgrades a database to this version's schema: after a backup, all or nothing, never backwards."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, create_engine, inspect, text

from aquilon.storage.migrations import REVISIONS

SCHEMA = Path(__file__).parent / "migrations" / "schema.sql"
"""What the migrations make of an empty SQLite database; scripts/schema writes it."""
VERSION_TABLE = "alembic_version"
MIGRATION_LOCK = 0x6171756C  # "aqul"
"""The PostgreSQL lock with which one process migrates while others wait."""


class DatabaseError(RuntimeError):
    """The database can't be used; the message says which one, why, and what helps."""


def upgrade(connection: Connection, name: str, *, create: bool = True) -> None:
    """Run the missing migrations inside the connection's transaction; a second process waits meanwhile.

    A new SQLite file gets their result at once. One with data is copied to ``backups/`` beside it first.
    Raises DatabaseError for a newer schema, which stays unchanged, and for an empty database unless ``create``.
    """
    sqlite = connection.dialect.name == "sqlite"
    if not sqlite:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    current = None
    if inspect(connection).has_table(VERSION_TABLE):
        current = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - ours
    if current == REVISIONS[-1]:
        return
    if current is None and not create:
        raise DatabaseError(f"The database {name} is empty: the first start of `aquilon up` creates its tables")
    if current is not None and current not in REVISIONS:
        raise DatabaseError(
            f"The database {name} has schema {current}, written by a newer Aquilon; this version knows up to "
            f"{REVISIONS[-1]}. Start the newer version, or use another --home."
        )
    if sqlite and current is None and not inspect(connection).get_table_names():
        create_sqlite(connection)
        return
    if current is not None and sqlite and name != ":memory:":
        _back_up(Path(name), current)
    upgrade_to(connection, REVISIONS[-1])
    if sqlite and (orphans := connection.execute(text("PRAGMA foreign_key_check")).all()):
        raise DatabaseError(
            f"The database {name} has rows in {orphans[0][0]} that refer to missing rows: restore a backup"
        )


def create_sqlite(connection: Connection) -> None:
    """Make this version's tables in an empty SQLite database, as all migrations would, without loading them."""
    statement = ""
    for line in SCHEMA.read_text(encoding="utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):  # not at the semicolons within a trigger
            connection.exec_driver_sql(statement)
            statement = ""
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES (:version)"), {"version": REVISIONS[-1]})  # noqa: S608


def upgrade_to(connection: Connection, revision: str) -> None:
    """Run the history up to a revision, inside the connection's transaction."""
    from alembic import command  # imported only for an upgrade, since it takes 10 MB
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@cache
def table_names() -> frozenset[str]:
    """The tables of rows that this version's migrations create; a backup has them all, and a restore replaces them."""
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            create_sqlite(connection)
            names = frozenset(inspect(connection).get_table_names()) - {VERSION_TABLE}
            return names - _of_indexes(connection)
    finally:
        engine.dispose()


def _of_indexes(connection: Connection) -> frozenset[str]:
    """SQLite's virtual tables and the tables in which they keep their data: indexes over other tables' rows."""
    rows = connection.execute(text("SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'shadow')"))
    return frozenset(rows.scalars())


def _back_up(file: Path, revision: str) -> None:
    """Copy the file before a migration. Raises DatabaseError if it can't; then the migration doesn't begin."""
    folder = file.parent / "backups"
    target = folder / f"{file.stem}-{revision}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}{file.suffix}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        copy_sqlite(file, target)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"The database {file} can't be copied to {target} before its upgrade: {error}") from error


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite file consistently, also while others write to it; ``target`` appears complete or not at all."""
    temporary = target.with_name(target.name + ".part")
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(temporary)) as writing:
            reading.backup(writing)
        with temporary.open("rb") as copied:
            os.fsync(copied.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
