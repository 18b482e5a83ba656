"""Limits that a process sets on itself before it reads what comes from outside."""

from __future__ import annotations

import resource

_GRACE_SECONDS = 5
"""Between the signal that names the reason, SIGXCPU, and SIGKILL."""


def limit_process(*, cpu_seconds: int, memory_bytes: int, written_bytes: int | None = None) -> None:
    """Limit processor time, memory and the size of files, for this process and each that it starts.

    Beyond them, the process ends by SIGXCPU, gets MemoryError, or can't write on.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, cpu_seconds, grace=_GRACE_SECONDS)
    _limit(resource.RLIMIT_DATA, memory_bytes)
    if written_bytes is not None:
        _limit(resource.RLIMIT_FSIZE, written_bytes)


def start_no_process() -> None:
    """From now on, this process can start no thread and no other process; the superuser's always can."""
    _limit(resource.RLIMIT_NPROC, 0)


def _limit(kind: int, most: int, *, grace: int = 0) -> None:
    """Never above the limit that this process has already."""
    _, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY:
        resource.setrlimit(kind, (most, most + grace))
    else:
        resource.setrlimit(kind, (min(most, hard), min(most + grace, hard)))
