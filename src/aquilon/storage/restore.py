"""Restoring a backup over a home's database and files, in two steps that survive a kill.

`stage` unpacks and checks the archive beside the present data. `complete`, while no server
has the database open, moves one part after the other into place; each start repeats it
until it is done. The former data is kept in ``backups``.
"""

from __future__ import annotations

import errno
import gzip
import os
import posixpath
import re
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
_MAX_MEMBERS = 10**7
_MAX_MANIFEST_BYTES = 2**30
_SQLITE = b"SQLite format 3\0"
_OF_THE_FIRST_VERSION = re.compile(rf"{re.escape(DATABASE)}|{KEY_FILE}|{FILES}/[^/]+/[^/]+")
_FORMER = "former"
"""The file in the staged folder that names the folder for the former data."""


def is_staged(settings: Settings) -> bool:
    return (settings.home / _STAGED).is_dir()


def stage(settings: Settings, archive_file: Path) -> None:
    """Unpack and check an archive beside the present data, which stays unchanged.

    Raises DatabaseError if the file is not a backup, is damaged, comes from a newer
    version, needs more room, or is of PostgreSQL while SQLite is configured; OSError if it
    can't be read or unpacked. Then nothing has changed.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear_left_over(settings.home, _WORK)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=_WORK) as folder_name:
        folder = Path(folder_name) / "unpacked"
        folder.mkdir(mode=0o700)
        try:
            with tarfile.open(archive_file) as archive:
                manifest, members = _look_through(archive, archive_file)
                _require_room(settings.home, sum(member.size for member in members), archive_file)
                archive.extractall(folder, members, filter="data")
        except (EOFError, gzip.BadGzipFile, IsADirectoryError, tarfile.TarError, zlib.error) as error:
            raise DatabaseError(f"{archive_file} is not a backup: {error}") from error
        if manifest is not None:
            _check_members(folder, manifest, archive_file)
        on_postgresql = sqlite_file(settings) is None
        if (folder / TABLES).is_dir():
            if not on_postgresql:
                raise DatabaseError(f"{archive_file} is of a PostgreSQL database: set AQUILON_DATABASE_URL to one")
        else:
            revision = _check_sqlite(folder / DATABASE, archive_file)
            if on_postgresql:  # convert SQLite's rows for PostgreSQL
                (folder / TABLES).mkdir()
                copy_out_of_file(folder / DATABASE, folder / TABLES)
                (folder / DATABASE).unlink()
                (folder / _REVISION).write_text(revision)
        if manifest is not None:
            (folder / _REVISION).write_text(manifest.revision)
        (folder / _FORMER).write_text(f"before-restore-{time.time_ns()}")
        (folder / FILES).mkdir(mode=0o700, exist_ok=True)  # a backup without files removes the present ones
        _sync(folder)
        shutil.rmtree(settings.home / _STAGED, ignore_errors=True)
        folder.replace(settings.home / _STAGED)


async def complete(settings: Settings) -> None:
    """Move a staged backup, if there is one, into place; nothing else may have the database open.

    Parts that are no longer staged are in place already, so a second call after a kill
    goes on where the first one stopped. Raises DatabaseError.
    """
    staged = settings.home / _STAGED
    if not staged.is_dir():
        return
    file = sqlite_file(settings)
    if (staged / DATABASE).exists() if file is None else (staged / TABLES).exists():
        raise DatabaseError(
            f"The backup in {staged} is for a database of the other kind: set AQUILON_DATABASE_URL as it was for "
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
        raise DatabaseError(f"The backup can't be put in place: {error}; the next start tries again") from error


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
    except RowsRefused:  # no later start can succeed either
        _remove(staged)
        raise
    _remove(tables)


def _look_through(archive: tarfile.TarFile, archive_file: Path) -> tuple[Manifest | None, list[tarfile.TarInfo]]:
    """Check an archive's members before a byte is written, and return the manifest and the files.

    The manifest comes first, and only members that it lists are accepted. An archive of the
    first version has no manifest; then the names decide. Raises DatabaseError for the first
    wrong member.
    """
    manifest: Manifest | None = None
    members: dict[str, tarfile.TarInfo] = {}
    for number, member in enumerate(archive):
        name = posixpath.normpath(member.name)
        if number >= _MAX_MEMBERS or name in members:
            raise DatabaseError(
                f"{archive_file} is not a backup: it has {name[:100]} twice, or more than {_MAX_MEMBERS} parts"
            )
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            raise DatabaseError(f"{archive_file} is not a backup: {name[:100]} is not a plain file")
        if name == MANIFEST and not members:
            manifest = _manifest(_content(archive, member, _MAX_MANIFEST_BYTES), archive_file)
        elif manifest is not None and (name not in manifest.members or member.size != manifest.members[name].bytes):
            raise DatabaseError(f"{archive_file} is damaged: {name[:100]} doesn't match its manifest")
        elif manifest is None and _OF_THE_FIRST_VERSION.fullmatch(name) is None:
            raise DatabaseError(f"{archive_file} is not a backup: {name[:100]} doesn't belong in one")
        if name == DATABASE and _content(archive, member, len(_SQLITE)) != _SQLITE:
            raise DatabaseError(f"{archive_file} is not a backup or is damaged: {DATABASE} is not a SQLite database")
        members[name] = member
    if manifest is not None and (missing := manifest.members.keys() - members.keys()):
        raise DatabaseError(
            f"{archive_file} is damaged: {len(missing)} of its parts are missing, such as {min(missing)}"
        )
    if manifest is None and DATABASE not in members:
        raise DatabaseError(f"{archive_file} is not a backup: it has no database")
    return manifest, list(members.values())


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, max_bytes: int) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read(max_bytes)


def _require_room(home: Path, needed: int, archive_file: Path) -> None:
    free = shutil.disk_usage(home).free
    if needed > free:
        raise DatabaseError(f"{archive_file} unpacks to {needed} bytes, and {home} has {free} free: make room first")


def _manifest(content: bytes, archive_file: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise DatabaseError(f"{archive_file} is not a backup or is damaged: {error}") from error
    if manifest.format > FORMAT or manifest.revision not in REVISIONS:
        raise DatabaseError(
            f"{archive_file} has schema {manifest.revision}, written by a newer Aquilon ({manifest.aquilon}): restore "
            "it with that version"
        )
    return manifest


def _check_members(folder: Path, manifest: Manifest, archive_file: Path) -> None:
    for name, member in manifest.members.items():
        path = folder / name
        if path.stat().st_size != member.bytes or sha256_of(path) != member.sha256:
            raise DatabaseError(f"{archive_file} is damaged: {name} doesn't match its checksum. Take another backup")


def _check_sqlite(file: Path, archive_file: Path) -> str:
    """Check a SQLite file and return its schema's revision. Raises DatabaseError."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as raw:
            is_whole = raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            row = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise DatabaseError(f"{archive_file} is not a backup or is damaged: {error}") from error
    if not is_whole or row is None:
        raise DatabaseError(f"{archive_file} holds a damaged database: take another backup")
    if row[0] not in REVISIONS:
        raise DatabaseError(
            f"{archive_file} has schema {row[0]}, written by a newer Aquilon: restore it with that version"
        )
    return str(row[0])


def _swap_files(staged: Path, place: Path, former: Path) -> None:
    """Move the files one by one, since the folder itself may be a mount point."""
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
    """Move the former file away. If a killed run did so already, remove what is in its place."""
    if former.exists():
        _remove(place)
    elif place.exists():
        _move(place, former)


def _move(path: Path, target: Path) -> None:
    """Move between file systems too. At any moment one of the two paths is complete; an existing target is complete."""
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
    """Rename, then delete, so that a kill leaves no incomplete file or folder under the former name."""
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
