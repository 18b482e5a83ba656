"""Putting a backup in place of a home's database and files, in two steps that a kill can't tear apart.

First the archive is unpacked and checked beside what is there: ``stage``. Then, while
no server has the database open, one thing after the other changes its place:
``complete``, which a start repeats until it is done. What was there is kept.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
import zlib
from contextlib import closing
from pathlib import Path

import msgspec

from aquilon.settings import Settings
from aquilon.storage.backup import (
    DATABASE,
    FILES,
    FORMAT,
    MANIFEST,
    TABLES,
    Manifest,
    back_up,
    clear_left_over,
    sha256_of,
    sqlite_file,
)
from aquilon.storage.migrations import REVISIONS
from aquilon.storage.postgresql_copy import RowsRefused, copy_in, copy_out_of_file, revision_of
from aquilon.storage.sealing import KEY_FILE
from aquilon.storage.upgrade import DatabaseError

_STAGED = "restore-staged"
_WORK = ".restore-"
_REVISION = "revision"
_ARRIVING = "files-arriving"
_FORMER = "former"
"""In the staged folder: the name of where what was there is kept."""


def is_staged(settings: Settings) -> bool:
    return (settings.home / _STAGED).is_dir()


def stage(settings: Settings, archive_file: Path) -> None:
    """Unpack and check an archive beside what is there, which stays as it is.

    Raises DatabaseError for what is no backup, is damaged, comes from a newer version,
    or from PostgreSQL where SQLite is, OSError where it can't be read or there is no
    room for it; then nothing has changed.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear_left_over(settings.home, _WORK)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=_WORK) as folder_name:
        folder = Path(folder_name) / "unpacked"
        folder.mkdir(mode=0o700)
        try:
            with tarfile.open(archive_file) as archive:
                archive.extractall(folder, filter="data")
        except (EOFError, gzip.BadGzipFile, IsADirectoryError, tarfile.TarError, zlib.error) as error:
            raise DatabaseError(f"{archive_file} is no backup: {error}") from error
        manifest = _manifest(folder, archive_file)
        if manifest is not None:
            _check_members(folder, manifest, archive_file)
        on_postgresql = sqlite_file(settings) is None
        if (folder / TABLES).is_dir():
            if not on_postgresql:
                raise DatabaseError(f"{archive_file} is of a PostgreSQL database: set AQUILON_DATABASE_URL to one")
        else:
            revision = _check_sqlite(folder / DATABASE, archive_file)
            if on_postgresql:  # the way from one to the other
                (folder / TABLES).mkdir()
                copy_out_of_file(folder / DATABASE, folder / TABLES)
                (folder / DATABASE).unlink()
                (folder / _REVISION).write_text(revision)
        if manifest is not None:
            (folder / _REVISION).write_text(manifest.revision)
        (folder / _FORMER).write_text(f"before-restore-{time.time_ns()}")
        (folder / FILES).mkdir(mode=0o700, exist_ok=True)  # a backup without files: those that are there go
        _sync(folder)
        shutil.rmtree(settings.home / _STAGED, ignore_errors=True)
        folder.replace(settings.home / _STAGED)


async def complete(settings: Settings) -> None:
    """Put what is staged, if anything is, in its place; nothing else may have the database open.

    What is no longer staged is in its place already: a second time after a kill goes
    on from there. Raises DatabaseError.
    """
    staged = settings.home / _STAGED
    if not staged.is_dir():
        return
    file = sqlite_file(settings)
    if (staged / DATABASE).exists() if file is None else (staged / TABLES).exists():
        raise DatabaseError(
            f"A backup waits in {staged} for a database of the other kind: set AQUILON_DATABASE_URL as it was for "
            "`aquilon restore`, or remove that folder to go on without the backup"
        )
    try:
        former = settings.home / "backups" / (staged / _FORMER).read_text()
        former.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file is None:
            await _load_postgresql(settings, staged, former)
        elif (staged / DATABASE).exists():
            for suffix in ("-wal", "-shm", ""):
                _keep(file.with_name(file.name + suffix), former / f"{DATABASE}{suffix}")
            os.chmod(staged / DATABASE, 0o600)
            _move(staged / DATABASE, file)
        _swap_files(staged, settings.uploads_folder, former / FILES)
        if (staged / KEY_FILE).exists():
            os.chmod(staged / KEY_FILE, 0o600)
            _keep(settings.home / KEY_FILE, former / KEY_FILE)
            _move(staged / KEY_FILE, settings.home / KEY_FILE)
        _remove(staged)
    except OSError as error:
        raise DatabaseError(
            f"The backup can't be put in place: {error}; it is tried again at the next start"
        ) from error


async def _load_postgresql(settings: Settings, staged: Path, former: Path) -> None:
    tables = staged / TABLES
    if not tables.is_dir():
        return
    assert settings.database_url is not None
    before = former / "database.tar"
    if not before.exists() and await revision_of(settings.database_url) is not None:
        await back_up(settings, before, with_key=False)
    try:
        await copy_in(settings.database_url, tables, (staged / _REVISION).read_text())
    except RowsRefused:  # by no start either
        _remove(staged)
        raise
    _remove(tables)


def _manifest(folder: Path, archive_file: Path) -> Manifest | None:
    """None for an archive of the first version, which wrote none."""
    file = folder / MANIFEST
    if not file.is_file():
        return None
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise DatabaseError(f"{archive_file} is no backup, or a damaged one: {error}") from error
    if found.format > FORMAT or found.revision not in REVISIONS:
        raise DatabaseError(
            f"{archive_file} has schema {found.revision}, written by a newer Aquilon ({found.aquilon}): restore it "
            "with that one"
        )
    return found


def _check_members(folder: Path, manifest: Manifest, archive_file: Path) -> None:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    if missing := set(manifest.members) - found:
        raise DatabaseError(f"{archive_file} is damaged: {len(missing)} of its parts are missing, {min(missing)} say")
    if strange := found - set(manifest.members):
        raise DatabaseError(f"{archive_file} is damaged: {min(strange)} isn't in its manifest")
    for name, member in manifest.members.items():
        path = folder / name
        if path.stat().st_size != member.bytes or sha256_of(path) != member.sha256:
            raise DatabaseError(f"{archive_file} is damaged: {name} is not what was backed up. Take another backup")


def _check_sqlite(file: Path, archive_file: Path) -> str:
    """The schema's revision."""
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
    return str(found[0])


def _swap_files(staged: Path, place: Path, former: Path) -> None:
    """One after the other: the folder itself may be where a disk is mounted."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (staged / FILES).exists():
        former.mkdir(mode=0o700, exist_ok=True)
        for path in place.glob("[!.]*"):
            if path.name != "lost+found":  # a mounted disk's own, which only root may move
                _keep(path, former / path.name)
        (staged / FILES).rename(staged / _ARRIVING)
    for path in (staged / _ARRIVING).glob("[!.]*"):
        _move(path, place / path.name)


def _keep(place: Path, former: Path) -> None:
    """Move what is there away, or what a kill left of that or of its successor."""
    if former.exists():
        _remove(place)
    elif place.exists():
        _move(place, former)


def _move(path: Path, target: Path) -> None:
    """Whole at one of the two at any moment, also from one file system to another; a target that is there is whole."""
    if target.exists():
        _remove(path)
        return
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.with_name(f"{_WORK}{target.name}")
        _remove(part)
        if path.is_dir():
            shutil.copytree(path, part)
        else:
            shutil.copy2(path, part)
        _sync(part)
        part.rename(target)
        _remove(path)


def _remove(path: Path) -> None:
    """Gone at once under its own name: nobody takes what a kill leaves of it for the whole."""
    if not path.exists():
        return
    gone = path.with_name(f"{_WORK}{path.name}-{time.time_ns()}")
    path.rename(gone)
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink()


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
