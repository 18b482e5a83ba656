"""Limits on failed sign-ins, counted by network and by account."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MAX_NAMES = 10_000


@dataclass
class _Failures:
    count: int
    last: float


class Attempts:
    """``limit`` failures are free; after each further one its network or account must wait, twice as long every time.

    Failures are forgotten after ``forget_seconds`` without a new one. Each process counts
    for itself and remembers a bounded number of names; the oldest is forgotten first.
    """

    def __init__(
        self,
        limit: int,
        *,
        seconds: float = 30.0,
        max_seconds: float = 900.0,
        forget_seconds: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._max_seconds = max_seconds
        self._forget_seconds = forget_seconds
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, name: str) -> int:
        """Whole seconds until the next attempt is allowed; 0 when it is allowed now."""
        failures = self._failures.get(name)
        if failures is None or failures.count < self._limit:
            return 0
        pause = min(self._max_seconds, self._seconds * 2.0 ** min(failures.count - self._limit, 30))
        return max(0, math.ceil(failures.last + pause - self._clock()))

    def record_failure(self, name: str) -> None:
        now = self._clock()
        failures = self._failures.pop(name, None)
        if failures is None or failures.last + self._forget_seconds <= now:
            failures = _Failures(0, now)
        self._failures[name] = _Failures(failures.count + 1, now)
        if len(self._failures) > _MAX_NAMES:
            self._failures.popitem(last=False)

    def undo_failure(self, name: str) -> None:
        """Undo one `record_failure`."""
        failures = self._failures.get(name)
        if failures is not None:
            failures.count -= 1
            if failures.count <= 0:
                del self._failures[name]

    def forget(self, name: str) -> None:
        """Forget all failures, after the right password."""
        self._failures.pop(name, None)
