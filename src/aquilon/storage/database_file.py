"""A SQLite database's file: readable by its owner alone, and checked to be the same as long as it is open."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

BESIDE = ("-wal", "-shm")
"""Suffixes of the files that SQLite creates beside an open one, with the same permissions."""


def make_private(path: Path) -> None:
    """Create the file if it is missing, and make it and the files beside it private. Raises OSError.

    A file that is there isn't opened: closing it would drop the locks of this process's other connections (POSIX).
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    for suffix in ("", *BESIDE):
        with suppress(FileNotFoundError, PermissionError):  # they may belong to another user
            os.chmod(f"{path}{suffix}", 0o600)


class OpenFile:
    """A file with open connections. They would go on writing to a nameless file if it is removed or replaced."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._opened = _identity(path)

    def problem(self) -> str:
        """Why the file can't be used any more, since writes would be lost; empty if it can."""
        try:
            present = _identity(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return (
                f"The database {self._path} was removed or moved away while the server ran: move it back, or stop the "
                "server and restore a backup"
            )
        except OSError as error:
            return f"The database {self._path} can't be reached: {error.strerror}"
        if present != self._opened:
            return f"The database {self._path} was replaced by another file while the server ran: restart the server"
        return ""


def _identity(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
