"""The process that started this one: what it started for itself alone must not go on when it is killed.

There are two ways. `die_with_parent` is the kernel's: it reaches a process that hangs or executes another
program, and leaves it no time for anything. `when_starter_ends` is a thread's: it lets the process end
what it does or has started, and looks past processes between the two, such as an interpreter's launcher.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable

_STARTED_BY = "AQUILON_STARTED_BY"
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have Linux kill this process when its parent has died, even while it is stopped or after it executed a program.

    Nothing happens on other systems. A child of this process must ask for itself.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


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
