"""Uploaded files' content: ``<folder>/<organization>/<id>``, complete or absent. The server chooses all names."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SAFE = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PART = ".part"


class FilesOnDisk:
    """One folder, which several API processes may share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, organization_id: str, file_id: str) -> Path:
        if not _SAFE.fullmatch(organization_id) or not _SAFE.fullmatch(file_id):
            raise ValueError(f"'{organization_id}/{file_id}' can't be a file's path: ids have letters, digits, _ and -")
        return self.folder / organization_id / file_id

    def begin(self, organization_id: str, file_id: str) -> Part:
        """Begin to write a file. Raises OSError if it can't be written."""
        path = self.path(organization_id, file_id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Part(path)

    def remove(self, organization_id: str, file_id: str) -> None:
        self.path(organization_id, file_id).unlink(missing_ok=True)

    def sweepable(self, older_than_seconds: float) -> Iterator[tuple[str, str, Path]]:
        """Organization, name and path of each file, or part of one, that was last written this long ago."""
        before = time.time() - older_than_seconds
        if not self.folder.is_dir():
            return
        for organization in os.scandir(self.folder):
            if organization.is_dir(follow_symlinks=False):
                for entry in os.scandir(organization.path):
                    if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < before:
                        yield organization.name, entry.name, Path(entry.path)


class Part:
    """A file that is being written; ``finish`` or ``discard`` ends it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}-{secrets.token_hex(4)}{_PART}")
        self._file = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._sha256 = hashlib.sha256()
        self._in_line = False
        self.size = 0
        self.lines = 0
        """Lines that are not blank."""

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def add(self, data: bytes) -> None:
        """Raises OSError, for instance if the disk is full."""
        self._file.write(data)
        self._sha256.update(data)
        self.size += len(data)
        for number, line in enumerate(data.split(b"\n")):
            if number:
                self._in_line = False
            if not self._in_line and line.strip():
                self._in_line = True
                self.lines += 1

    def finish(self) -> None:
        """Complete the file; returns when it would survive a loss of power."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Delete the file, whether or not it was finished."""
        with suppress(OSError):  # a failed write no longer matters
            self._file.close()
        self._part.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)
