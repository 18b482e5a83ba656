"""How much work something is: measured in the processor's time, which a busy machine doesn't lengthen much.

Compare it with the work of something else that was measured beside it, never with seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def work(call: Callable[[], object], times: int = 3) -> float:
    """Seconds of the processor in this process: the least of so many calls."""
    seconds = []
    for _ in range(times):
        begun = time.process_time()
        call()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def work_of(pid: int, call: Callable[[], object], times: int = 1) -> float:
    """Seconds of the processor that another process takes while so many calls are made."""
    before = processor_seconds(pid)
    for _ in range(times):
        call()
    return processor_seconds(pid) - before


def processor_seconds(pid: int) -> float:
    """What another process has taken of the processor so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS  # in user code and in the kernel
