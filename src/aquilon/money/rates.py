"""Requests and tokens a minute: refused at admission, counted on at settlement."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine, MutableMapping, Sequence
from typing import Any

import structlog
from limits.aio.storage.base import SlidingWindowCounterSupport
from limits.errors import StorageError

from aquilon.money.limits import MOST, WINDOW_SECONDS, Quota, Unit, Window, rate_exceeded
from aquilon.money.memory_windows import MemoryWindows

_REDIS_PAUSE_SECONDS = 5.0
"""After a failure, Redis is not asked for so long."""

log = structlog.get_logger("aquilon.rates")


class Rates:
    """Counted in this process; in Redis, for all processes together, where there is one.

    While Redis can't be reached each process counts for itself: a rate is for
    fairness, and no reason to answer nobody. Budgets hold all the same.
    """

    def __init__(self, shared: SlidingWindowCounterSupport | None = None) -> None:
        self._own = MemoryWindows()
        self._shared = shared
        self._not_before = 0.0
        self._counting: set[asyncio.Task[None]] = set()

    async def admit(self, quotas: Sequence[Quota], tokens: int, told: MutableMapping[str, str]) -> None:
        """Count one request of so many prompt tokens, or none of it.

        ``told`` gets the headers of the answer, good or bad. Raises ApiError 429.
        """
        if not quotas:
            return
        costs = {quota: 1 if quota.unit == "requests" else tokens for quota in quotas}
        while True:
            windows = dict(zip(quotas, await self._read(quotas), strict=True))
            for quota, window in windows.items():
                if window.used + costs[quota] > quota.amount:
                    told.update(headers(windows))
                    raise rate_exceeded(quota, window, costs[quota])
            if await self._take(costs):
                break  # else another process was faster: read again
        told.update(headers({quota: _with(window, costs[quota]) for quota, window in windows.items()}))

    def count(self, quotas: Sequence[Quota], tokens: int) -> None:
        """Add tokens to what admission counted, or take some off; nobody waits for it."""
        counted = [quota for quota in quotas if quota.unit == "tokens"]
        if counted and tokens:
            task = asyncio.create_task(self._add(counted, tokens))
            self._counting.add(task)
            task.add_done_callback(self._counting.discard)

    async def _read(self, quotas: Sequence[Quota]) -> list[Window]:
        found = await self._each([("get_sliding_window", (quota.key, WINDOW_SECONDS)) for quota in quotas])
        return [Window(*window) for window in found]

    async def _take(self, costs: dict[Quota, int]) -> bool:
        calls = [
            ("acquire_sliding_window_entry", (quota.key, quota.amount, WINDOW_SECONDS, cost))
            for quota, cost in costs.items()
        ]
        taken = await self._each(calls)
        if all(taken):
            return True
        for (quota, cost), had in zip(costs.items(), taken, strict=True):
            if had:
                await self._add([quota], -cost)
        return False

    async def _add(self, quotas: Sequence[Quota], amount: int) -> None:
        await self._each(
            [("acquire_sliding_window_entry", (quota.key, MOST, WINDOW_SECONDS, amount)) for quota in quotas]
        )

    async def _each(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """At once where each goes over a network."""
        if self._shared is not None and time.monotonic() >= self._not_before:
            asked: list[Coroutine[Any, Any, Any]] = [getattr(self._shared, name)(*rest) for name, rest in calls]
            try:
                return list(await asyncio.gather(*asked))
            except StorageError as error:
                self._not_before = time.monotonic() + _REDIS_PAUSE_SECONDS
                log.warning("Redis can't be used now: each process counts rates for itself", error=str(error))
        return [await getattr(self._own, name)(*rest) for name, rest in calls]


def headers(windows: dict[Quota, Window]) -> dict[str, str]:
    """As OpenAI's clients know them: of each unit the limit that is nearest."""
    told: dict[str, str] = {}
    units: tuple[Unit, ...] = ("requests", "tokens")
    for unit in units:
        remaining = {
            quota: max(0, quota.amount - window.used) for quota, window in windows.items() if quota.unit == unit
        }
        if remaining:
            nearest = min(remaining, key=lambda quota: remaining[quota])
            told[f"x-ratelimit-limit-{unit}"] = str(nearest.amount)
            told[f"x-ratelimit-remaining-{unit}"] = str(remaining[nearest])
            told[f"x-ratelimit-reset-{unit}"] = duration(windows[nearest].empty_in)
    return told


def duration(seconds: float) -> str:
    """``1m5s``, as OpenAI writes it; whole seconds, never too few."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _with(window: Window, cost: int) -> Window:
    left = window.current_left or 2 * WINDOW_SECONDS
    return Window(window.previous, window.previous_left, window.current + cost, left)
