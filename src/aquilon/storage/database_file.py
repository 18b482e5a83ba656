"""The file that a SQLite database is in: readable for its owner alone, and the same one as long as it is open."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside the file while it is open, with the file's own permissions when it makes them."""


def make_private(path: Path) -> None:
    """Make the file if there is none, and keep it and what is beside it from all other users. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for suffix in ("", *BESIDE):
        with suppress(FileNotFoundError, PermissionError):  # another user's, whose to change they are
            os.chmod(f"{path}{suffix}", 0o600)


class OpenFile:
    """A file with connections: where it is removed or replaced, they would go on in one without a name."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._opened = _identity(path)

    def problem(self) -> str:
        """Why it can't be used any more, empty where it can: what is written now would be lost."""
        try:
            there = _identity(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return (
                f"The database {self._path} was removed or moved away while the server ran: move it back, or stop the "
                "server and restore a backup"
            )
        except OSError as error:
            return f"The database {self._path} can't be reached: {error.strerror}"
        if there != self._opened:
            return f"The database {self._path} was replaced by another file while the server ran: start the server anew"
        return ""


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
