"""Bringing a database to this version's schema: after a backup, all or nothing, and never backwards."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from aquilon.storage.migrations import REVISIONS

MIGRATION_LOCK = 0x6171756C  # "aqul"
"""One process migrates, the others wait."""


class DatabaseError(RuntimeError):
    """The database can't be used; the message says which one, why, and what would help."""


def upgrade(connection: Connection, name: str) -> None:
    """Run the missing migrations inside the connection's transaction; a second process waits meanwhile.

    A SQLite file with data is copied to ``backups/`` beside it first. Raises
    DatabaseError for a newer schema, which is left as it is.
    """
    sqlite = connection.dialect.name == "sqlite"
    if not sqlite:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    current = None
    if inspect(connection).has_table("alembic_version"):
        current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if current == REVISIONS[-1]:
        return
    if current is not None and current not in REVISIONS:
        raise DatabaseError(
            f"The database {name} has schema {current}, written by a newer Aquilon; this version knows up to "
            f"{REVISIONS[-1]}. Start the newer version, or use another --home."
        )
    if current is not None and sqlite and name != ":memory:":
        _back_up(Path(name), current)
    upgrade_to(connection, REVISIONS[-1])
    if sqlite and (orphans := connection.execute(text("PRAGMA foreign_key_check")).all()):
        raise DatabaseError(f"The database {name} has rows in {orphans[0][0]} that belong to nothing: restore a backup")


def upgrade_to(connection: Connection, revision: str) -> None:
    """Run the history up to a revision, inside the connection's transaction."""
    from alembic import command  # only on a first start or an upgrade: 10 MB that the server then needn't hold
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _back_up(file: Path, revision: str) -> None:
    """Raises DatabaseError where there is no room for the copy: the migration then doesn't begin."""
    folder = file.parent / "backups"
    target = folder / f"{file.stem}-{revision}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}{file.suffix}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        copy_sqlite(file, target)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"The database {file} can't be copied to {target} before its upgrade: {error}") from error


def copy_sqlite(source: Path, target: Path) -> None:
    """A consistent copy of a SQLite file, whoever writes to it meanwhile; ``target`` appears whole or not at all."""
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
