"""Sliding window counters of this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from limits.aio.storage.base import SlidingWindowCounterSupport

_SWEEP_SECONDS = 60.0


@dataclass
class _Counter:
    window: int
    """The number of the present window, counted from the clock's start."""
    previous: int = 0
    current: int = 0


class MemoryWindows(SlidingWindowCounterSupport):
    """A storage for the ``limits`` library, in place of its own memory storage.

    The library's storage uses the wall clock: set back by an hour, it would refuse
    for an hour. It also scans all of its keys at each hit. This storage uses a
    monotonic clock, and never waits.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counters: dict[str, _Counter] = {}
        self._swept = clock()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        previous, left, current, _ = self._read(key, expiry)
        if int(previous * left / expiry) + current + amount > limit:
            return False
        self._counters[key].current += amount
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        return self._read(key, expiry)

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        self._counters.pop(key, None)

    def _read(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        now = self._clock()
        window, into = divmod(now, expiry)
        counter = self._counters.get(key)
        if counter is None:
            if now - self._swept > _SWEEP_SECONDS:
                self._sweep(int(window))
            counter = self._counters[key] = _Counter(int(window))
        if (passed := int(window) - counter.window) > 0:
            counter.previous = counter.current if passed == 1 else 0
            counter.current = 0
            counter.window = int(window)
        left = expiry - into
        return counter.previous, left, counter.current, left + expiry

    def _sweep(self, window: int) -> None:
        self._swept = self._clock()
        self._counters = {key: counter for key, counter in self._counters.items() if counter.window >= window - 1}
