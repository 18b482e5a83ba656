"""Backups: a home's database and files of one moment in one archive.

A tar of ``manifest.json``, then the database (``aquilon.db``, or ``tables/*.jsonl`` of
a PostgreSQL one), ``files/ORGANIZATION/ID``, and ``secret-key``, without which what is
sealed in the database can't be read. The manifest comes first and has the SHA-256 of
every other part, so that a restore notices a missing or changed part.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from aquilon import __version__
from aquilon.settings import Settings
from aquilon.storage.postgresql_copy import copy_out, revision_of
from aquilon.storage.sealing import KEY_FILE
from aquilon.storage.upgrade import DatabaseError, copy_sqlite

MANIFEST = "manifest.json"
DATABASE = "aquilon.db"
TABLES = "tables"
FILES = "files"
FORMAT = 1

_WORK = ".backup-"
_LEFT_OVER_SECONDS = 86_400


class Member(msgspec.Struct, frozen=True):
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    aquilon: str
    """The version of Aquilon that wrote the archive."""
    made_at: int
    revision: str
    """The revision of the database's schema."""
    database: Literal["sqlite", "postgresql"]
    members: dict[str, Member]


async def back_up(settings: Settings, target: Path | None = None, *, with_key: bool = True) -> Path:
    """Write an archive, also while servers run on the database, and return its path.

    ``target`` is a new file, by default one in the home's ``backups``. Raises DatabaseError
    if there is nothing to back up or the archive can't be written.
    """
    file = sqlite_file(settings)
    if file is not None and not file.is_file():
        raise DatabaseError(f"There is no database in {settings.home}: nothing to back up")
    await check_place(settings)
    if target is None:
        folder = settings.home / "backups"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = folder / f"aquilon-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar"
    if target.exists():
        raise DatabaseError(f"{target} exists already: name another file")
    part = target.with_name(target.name + ".part")
    clear_left_over(settings.home, _WORK)
    try:
        with (
            tempfile.TemporaryDirectory(dir=settings.home, prefix=_WORK) as folder_name,
            _Snapshot(settings.uploads_folder) as files,
        ):
            folder = Path(folder_name)
            files.take()  # before and after the database, so that every row's file is in one of the two
            revision = await _copy_database(settings, file, folder)
            files.take()
            if with_key and (settings.home / KEY_FILE).is_file():
                shutil.copy(settings.home / KEY_FILE, folder / KEY_FILE)
            _write(part, folder, files.folder, revision=revision, database="postgresql" if file is None else "sqlite")
        part.replace(target)
    except (OSError, sqlite3.Error, DBAPIError, tarfile.TarError) as error:
        raise DatabaseError(f"The backup can't be written to {target}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def sqlite_file(settings: Settings) -> Path | None:
    """The database's file; None if the database is on a PostgreSQL server."""
    if settings.database_url is None:
        return settings.home / DATABASE
    url = make_url(settings.database_url)
    return Path(url.database or DATABASE).absolute() if url.get_backend_name() == "sqlite" else None


async def check_place(settings: Settings) -> None:
    """Raises DatabaseError if the configured database's server doesn't answer or its folder is missing."""
    file = sqlite_file(settings)
    if file is None:
        assert settings.database_url is not None
        await revision_of(settings.database_url)
    elif settings.database_url is not None and not file.parent.is_dir():
        raise DatabaseError(f"The database {file} can't be used: there is no folder {file.parent}")


async def _copy_database(settings: Settings, file: Path | None, folder: Path) -> str:
    if file is None:
        assert settings.database_url is not None
        (folder / TABLES).mkdir()
        return await copy_out(settings.database_url, folder / TABLES)
    copy = folder / DATABASE
    copy_sqlite(file, copy)
    with closing(sqlite3.connect(f"{copy.as_uri()}?immutable=1", uri=True)) as raw:
        (revision,) = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(revision)


class _Snapshot:
    """Hard links to the uploaded files: quick to make, and they stay when a file is deleted."""

    def __init__(self, uploads: Path) -> None:
        self._uploads = uploads
        self.folder: Path | None = None

    def __enter__(self) -> _Snapshot:
        return self

    def take(self) -> None:
        if not self._uploads.is_dir():
            return
        if self.folder is None:
            clear_left_over(self._uploads, _WORK)
            self.folder = Path(tempfile.mkdtemp(dir=self._uploads, prefix=_WORK))
        for path in self._uploads.rglob("*"):
            relative = path.relative_to(self._uploads)
            if relative.parts[0].startswith(_WORK) or path.suffix == ".part" or path.is_dir():
                continue
            target = self.folder / relative
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileNotFoundError, FileExistsError):
                try:
                    os.link(path, target)
                except PermissionError:  # a file system without hard links
                    shutil.copy(path, target)

    def __exit__(self, *_: object) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def clear_left_over(where: Path, prefix: str) -> None:
    """Remove folders with this prefix that a killed process left a day or more ago."""
    for folder in where.glob(f"{prefix}*"):
        if folder.is_dir() and folder.stat().st_mtime < time.time() - _LEFT_OVER_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _write(
    part: Path, folder: Path, files: Path | None, *, revision: str, database: Literal["sqlite", "postgresql"]
) -> None:
    members = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if files is not None:
        uploads = sorted(path for path in files.rglob("*") if path.is_file())
        members |= {f"{FILES}/{path.relative_to(files).as_posix()}": path for path in uploads}
    manifest = Manifest(
        format=FORMAT,
        aquilon=__version__,
        made_at=int(time.time()),
        revision=revision,
        database=database,
        members={name: Member(path.stat().st_size, sha256_of(path)) for name, path in members.items()},
    )
    manifest_file = folder / MANIFEST
    manifest_file.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(manifest_file, MANIFEST)
            for name, path in members.items():
                archive.add(path, name)
        file.flush()
        os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
