"""Upgrades a database to this version's schema: after a backup, all or nothing, never backwards."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, create_engine, inspect, text

from aquilon.storage.migrations import REVISIONS

SCHEMA = Path(__file__).parent / "migrations" / "schema.sql"
"""What the migrations make of an empty SQLite database; scripts/schema writes it."""
VERSION_TABLE = "alembic_version"
_UNFINISHED = ".upgrading"
"""The suffix of a copy while its upgrade isn't committed."""
MIGRATION_LOCK = 0x6171756C  # "aqul"
"""The PostgreSQL lock with which one process migrates while others wait."""


class DatabaseError(RuntimeError):
    """The database can't be used; the message says which one, why, and what helps."""


def upgrade(connection: Connection, name: str, *, create: bool = True) -> None:
    """Run the missing migrations in one transaction, and commit it; a second process waits meanwhile.

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
        connection.commit()
        return
    with _copied(Path(name), current) if current is not None and sqlite and name != ":memory:" else nullcontext():
        upgrade_to(connection, REVISIONS[-1])
        if sqlite and (orphans := connection.execute(text("PRAGMA foreign_key_check")).all()):
            raise DatabaseError(
                f"The database {name} has rows in {orphans[0][0]} that refer to missing rows: restore a backup"
            )
        connection.commit()


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


@contextmanager
def _copied(file: Path, revision: str) -> Iterator[None]:
    """Copy the file before a migration, and drop the copy if the migration fails, since nothing was changed.

    Raises DatabaseError if the file can't be copied; then the migration doesn't begin.
    """
    copy = file.parent / "backups" / f"{file.stem}-{revision}{file.suffix}{_UNFINISHED}"
    try:
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        copy.unlink(missing_ok=True)  # of an upgrade that was killed: there may be no room for two
        copy_sqlite(file, copy)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(
            f"The database {file} can't be copied to {copy.parent} before its upgrade, so nothing was changed: {error}"
        ) from error
    try:
        yield
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def keep_copy(file: Path) -> None:
    """Name the copy from before an upgrade after its time, once the upgrade is committed. Raises OSError."""
    for copy in (file.parent / "backups").glob(f"{file.stem}-*{file.suffix}{_UNFINISHED}"):
        with suppress(FileNotFoundError):  # named by another process
            copied_at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(copy.stat().st_mtime))
            copy.rename(copy.with_name(f"{Path(copy.stem).stem}-{copied_at}{file.suffix}"))


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite file consistently, also while others write to it; ``target`` appears complete or not at all."""
    temporary = target.with_name(target.name + ".part")
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(temporary)) as writing:
            writing.execute("PRAGMA journal_mode = OFF")  # a copy that fails is removed, its journal wouldn't be
            reading.backup(writing)
        with temporary.open("rb") as copied:
            os.fsync(copied.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
