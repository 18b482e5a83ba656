"""How often somebody may fail to sign in: by address, and by the account that is tried."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MOST_NAMES = 10_000


@dataclass
class _Failures:
    count: int
    last: float


class Attempts:
    """``limit`` failures are free; each one from there on makes its address or account wait, twice as long every time.

    Failures are forgotten after ``forget_seconds`` without one. What is remembered is
    bounded, the oldest leaves first; it is this process's own.
    """

    def __init__(
        self,
        limit: int,
        *,
        seconds: float = 30.0,
        most_seconds: float = 900.0,
        forget_seconds: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._most_seconds = most_seconds
        self._forget_seconds = forget_seconds
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, name: str) -> int:
        """Whole seconds until it may be tried again; 0 for now."""
        found = self._failures.get(name)
        if found is None or found.count < self._limit:
            return 0
        pause = min(self._most_seconds, self._seconds * 2.0 ** min(found.count - self._limit, 30))
        return max(0, math.ceil(found.last + pause - self._clock()))

    def failed(self, name: str) -> None:
        now = self._clock()
        found = self._failures.pop(name, None)
        if found is None or found.last + self._forget_seconds <= now:
            found = _Failures(0, now)
        self._failures[name] = _Failures(found.count + 1, now)
        if len(self._failures) > _MOST_NAMES:
            self._failures.popitem(last=False)

    def did_not_fail(self, name: str) -> None:
        """Takes one `failed` back."""
        found = self._failures.get(name)
        if found is not None:
            found.count -= 1
            if found.count <= 0:
                del self._failures[name]

    def forget(self, name: str) -> None:
        """The right password was given."""
        self._failures.pop(name, None)
