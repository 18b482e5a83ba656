"""The server that runs on a home: at most one, which other commands can find. Imports only light modules."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

REOPEN_SIGNAL = signal.SIGUSR2
"""`aquilon restore` sends it to a running server: finish running requests, restore the staged backup, go on."""


class ServerError(RuntimeError):
    """The server can't start or go on; the message is for the operator."""


class HomeInUse(ServerError):
    pass


class RunningServer(msgspec.Struct, frozen=True):
    """``<home>/server.json`` while a server runs on that home: how other commands find it."""

    url: str
    pid: int


@contextlib.contextmanager
def own_home(home: Path) -> Iterator[Callable[[RunningServer], None]]:
    """Lock the home for this server. The yielded function announces the server to other commands."""
    file = home / "server.json"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(home / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServerError(f"The home {home} can't be used: {error.strerror}; choose another with --home") from error
    try:
        try:
            _try_file_system(lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeInUse(
                f"Another server already runs on the home {home}{_where(file)}: stop it, or use another --home"
            ) from None
        except OSError as error:
            raise ServerError(
                f"The home {home} can't be used: its file system lacks the locks or the shared memory that a database "
                f"needs ({error.strerror}); choose a folder on a local disk with --home"
            ) from error

        def announce(server: RunningServer) -> None:
            file.write_bytes(msgspec.json.encode(server))

        yield announce
        file.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _try_file_system(file: int) -> None:
    """Do what SQLite does with a database's file, which would hang or call it damaged. Raises OSError."""
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(file, fcntl.LOCK_UN)
    os.ftruncate(file, 1)
    mmap.mmap(file, 1).close()


def others_who_read(home: Path) -> str:
    """In words, who else may enter or read the home by its permissions; empty if nobody may."""
    mode = home.stat().st_mode
    if mode & 0o005:
        return "every user of this machine"
    return "all users of its group" if mode & 0o050 else ""


def running_server(home: Path) -> RunningServer | None:
    """The server that runs on this home now, or None."""
    try:
        lock = os.open(home / "server.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(home / "server.json")
    finally:
        os.close(lock)
    return None


def _read(file: Path) -> RunningServer | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=RunningServer)
    except (OSError, msgspec.DecodeError):
        return None


def _where(file: Path) -> str:
    server = _read(file)
    return "" if server is None else f", at {server.url} (process {server.pid})"
