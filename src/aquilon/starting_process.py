"""The process that started this one: what it started for itself alone must not go on when it is killed."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable

_STARTED_BY = "AQUILON_STARTED_BY"


def started_by_this_process() -> dict[str, str]:
    """The variable by which a process that is started with it, and each that this one starts, knows its starter."""
    return {_STARTED_BY: str(os.getpid())}


def when_starter_ends(act: Callable[[], None]) -> None:
    """Call ``act`` in a thread as soon as the process that started this one has ended, by whatever signal.

    Linux says so at once, so that it counts in a computation of minutes too. Nothing is watched on other systems, and
    where this process was started without `started_by_this_process`.
    """
    starter = os.environ.get(_STARTED_BY, "")
    if sys.platform == "linux" and starter.isdecimal():
        threading.Thread(target=_wait, args=(int(starter), act), name="starter", daemon=True).start()


def _wait(starter: int, act: Callable[[], None]) -> None:
    try:
        process = os.pidfd_open(starter)
    except ProcessLookupError:  # it had ended before
        act()
        return
    except OSError:  # a system that forbids the call, as some containers do
        return
    select.select([process], [], [])
    os.close(process)
    act()
