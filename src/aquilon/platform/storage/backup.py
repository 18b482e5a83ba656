"""A home's database and files in one archive, and back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from contextlib import closing
from pathlib import Path

from aquilon.platform.storage.migrations import REVISIONS
from aquilon.platform.storage.upgrade import DatabaseError, copy_sqlite
from aquilon.settings import Settings

_DATABASE = "aquilon.db"
_FILES = "files"


def back_up(settings: Settings, target: Path | None = None) -> Path:
    """Write a tar archive of the database and the uploaded files, as they are at one moment, also while a server runs.

    ``target`` is a new file; left out, one in the home's ``backups``. Raises
    DatabaseError where there is nothing to back up, or it can't be done.
    """
    database = _sqlite_file(settings)
    if not database.is_file():
        raise DatabaseError(f"There is no database in {settings.home}: nothing to back up")
    if target is None:
        folder = settings.home / "backups"
        folder.mkdir(mode=0o700, exist_ok=True)
        target = folder / f"aquilon-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar"
    if target.exists():
        raise DatabaseError(f"{target} is there already: name another file")
    part = target.with_name(target.name + ".part")
    try:
        with tempfile.TemporaryDirectory(dir=settings.home, prefix="backup-") as folder_name:
            copy = Path(folder_name) / _DATABASE
            copy_sqlite(database, copy)
            with (
                os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
                tarfile.open(fileobj=file, mode="w") as archive,
            ):
                archive.add(copy, _DATABASE)
                if (settings.home / _FILES).is_dir():
                    archive.add(settings.home / _FILES, _FILES)
        part.replace(target)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        raise DatabaseError(f"The backup can't be written to {target}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def restore(settings: Settings, archive_file: Path) -> None:
    """Put an archive's database and files in place of the home's, which must not be in use.

    What was there is kept in ``backups/before-restore-…``. Raises DatabaseError for
    what is no backup, is damaged, or comes from a newer version; then nothing has changed.
    """
    database = _sqlite_file(settings)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix="restore-") as folder_name:
        folder = Path(folder_name)
        try:
            with tarfile.open(archive_file) as archive:
                archive.extractall(folder, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise DatabaseError(f"{archive_file} is no backup: {error}") from error
        _check(folder / _DATABASE, archive_file)
        former = settings.home / "backups" / f"before-restore-{time.time_ns()}"
        former.mkdir(mode=0o700, parents=True)
        for name in (_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", _FILES):
            if (settings.home / name).exists():
                shutil.move(settings.home / name, former / name)
        os.chmod(folder / _DATABASE, 0o600)
        (folder / _DATABASE).replace(database)
        if (folder / _FILES).is_dir():
            (folder / _FILES).replace(settings.home / _FILES)


def _check(file: Path, archive_file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as raw:
            whole = raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            found = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise DatabaseError(f"{archive_file} is no backup, or a damaged one: {error}") from error
    if not whole or found is None:
        raise DatabaseError(f"{archive_file} holds a damaged database: take another backup")
    if found[0] not in REVISIONS:
        raise DatabaseError(
            f"{archive_file} has schema {found[0]}, written by a newer Aquilon: restore it with that one"
        )


def _sqlite_file(settings: Settings) -> Path:
    if settings.database_url is not None:
        raise DatabaseError("The database is another than the home's own: back it up with its own tools, pg_dump say")
    return settings.home / _DATABASE
