"""One process a run: it holds a lock on a file of the folder, which the system releases when the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from aquilon.training.protocol import LOCK, UnusableJob

_PATIENCE = 1.0
"""Seconds: `holder` has the lock for a moment."""


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Holds the run for this process; raises UnusableJob if another process trains it."""
    with (run / LOCK).open("a+") as file:
        until = time.monotonic() + _PATIENCE
        while not _takes(file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() >= until:
                raise UnusableJob(f"{run} is being trained by process {_process(run) or 'unknown'}")
            time.sleep(0.02)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def holder(run: Path) -> int | None:
    """The process that trains the run; None if there is none."""
    try:
        file = (run / LOCK).open()
    except FileNotFoundError:
        return None
    with file:
        return None if _takes(file.fileno(), fcntl.LOCK_SH) else _process(run)


def _takes(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _process(run: Path) -> int | None:
    text = (run / LOCK).read_text().strip()
    return int(text) if text.isdecimal() else None
