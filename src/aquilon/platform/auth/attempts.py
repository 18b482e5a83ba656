"""How often one address may fail to sign in."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

_MOST_ADDRESSES = 10_000


class Attempts:
    """Failures in a sliding window, by address; the addresses remembered are bounded, the oldest leave first."""

    def __init__(self, limit: int = 10, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Whole seconds until this address may try again; 0 for now."""
        times = self._failures.get(address)
        if times is None:
            return 0
        now = self._clock()
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if not times:
            del self._failures[address]
            return 0
        return max(1, math.ceil(times[0] + self._seconds - now)) if len(times) >= self._limit else 0

    def failed(self, address: str) -> None:
        self._failures.setdefault(address, deque(maxlen=self._limit)).append(self._clock())
        self._failures.move_to_end(address)
        if len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)
