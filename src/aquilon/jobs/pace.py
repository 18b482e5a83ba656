"""How many lines of batch jobs are asked at once: few while live requests run, otherwise as many as get answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_LOOK_AGAIN_SECONDS = 0.05
_BESIDE_OTHERS = 2


class Pace:
    """Grows by one with each round of answers, halves when the server is overloaded, and gives way to live requests.

    ``unfinished`` returns how many requests run in this process, lines of batch jobs included.
    """

    def __init__(self, most: int, unfinished: Callable[[], int]) -> None:
        self._most = most
        self._unfinished = unfinished
        self._target = float(min(4, most))
        self.running = 0
        self._left = asyncio.Event()

    @property
    def limit(self) -> int:
        others = self._unfinished() > self.running
        return min(int(self._target), _BESIDE_OTHERS) if others else int(self._target)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        while self.running >= self.limit:
            self._left.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await self._left.wait()
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._left.set()

    def answered(self) -> None:
        self._target = min(self._most, self._target + 1 / max(1, self._target))

    def refused(self) -> None:
        """Note that the server or an upstream is overloaded."""
        self._target = max(1.0, self._target / 2)
