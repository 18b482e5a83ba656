"""Requests and tokens a minute: checked at admission, corrected at settlement."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine, MutableMapping, Sequence
from typing import Any

from limits.aio.storage.base import SlidingWindowCounterSupport
from limits.errors import StorageError

from aquilon.log import get_logger
from aquilon.money.limits import MOST, WINDOW_SECONDS, Quota, Unit, Window, rate_exceeded
from aquilon.money.memory_windows import MemoryWindows

_REDIS_PAUSE_SECONDS = 5.0
"""How long Redis is not asked after a failure."""

log = get_logger("aquilon.rates")


class Rates:
    """Counts in Redis, for all processes together, if there is one; otherwise in this process.

    While Redis can't be reached, each process counts for itself. A rate is for
    fairness, no reason to refuse all requests. Budgets hold all the same.
    """

    def __init__(self, shared: SlidingWindowCounterSupport | None = None) -> None:
        self._own = MemoryWindows()
        self._shared = shared
        self._not_before = 0.0
        self._counting: set[asyncio.Task[None]] = set()

    async def admit(self, quotas: Sequence[Quota], tokens: int, answer_headers: MutableMapping[str, str]) -> None:
        """Count one request with this many prompt tokens in every quota, or in none.

        Adds the rate headers to ``answer_headers``, also when it refuses. Raises ApiError 429.
        """
        if not quotas:
            return
        costs = {quota: 1 if quota.unit == "requests" else tokens for quota in quotas}
        while True:
            windows = dict(zip(quotas, await self._read(quotas), strict=True))
            for quota, window in windows.items():
                if window.used + costs[quota] > quota.amount:
                    answer_headers.update(rate_headers(windows))
                    raise rate_exceeded(quota, window, costs[quota])
            if await self._take(costs):
                break  # otherwise another process was faster: read again
        answer_headers.update(rate_headers({quota: _with(window, costs[quota]) for quota, window in windows.items()}))

    def count(self, quotas: Sequence[Quota], tokens: int) -> None:
        """Add tokens to what admission counted, or subtract some, in the background."""
        token_quotas = [quota for quota in quotas if quota.unit == "tokens"]
        if token_quotas and tokens:
            task = asyncio.create_task(self._add(token_quotas, tokens))
            self._counting.add(task)
            task.add_done_callback(self._counting.discard)

    async def _read(self, quotas: Sequence[Quota]) -> list[Window]:
        windows = await self._call_all([("get_sliding_window", (quota.key, WINDOW_SECONDS)) for quota in quotas])
        return [Window(*window) for window in windows]

    async def _take(self, costs: dict[Quota, int]) -> bool:
        calls = [
            ("acquire_sliding_window_entry", (quota.key, quota.amount, WINDOW_SECONDS, cost))
            for quota, cost in costs.items()
        ]
        taken = await self._call_all(calls)
        if all(taken):
            return True
        for (quota, cost), counted in zip(costs.items(), taken, strict=True):
            if counted:
                await self._add([quota], -cost)
        return False

    async def _add(self, quotas: Sequence[Quota], amount: int) -> None:
        await self._call_all(
            [("acquire_sliding_window_entry", (quota.key, MOST, WINDOW_SECONDS, amount)) for quota in quotas]
        )

    async def _call_all(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """The results of these methods of the storage, called concurrently over a network."""
        if self._shared is not None and time.monotonic() >= self._not_before:
            pending: list[Coroutine[Any, Any, Any]] = [getattr(self._shared, name)(*rest) for name, rest in calls]
            try:
                return list(await asyncio.gather(*pending))
            except StorageError as error:
                self._not_before = time.monotonic() + _REDIS_PAUSE_SECONDS
                log.warning("Redis can't be used now: each process counts rates for itself", error=str(error))
        return [await getattr(self._own, name)(*rest) for name, rest in calls]


def rate_headers(windows: dict[Quota, Window]) -> dict[str, str]:
    """OpenAI's rate limit headers: for each unit, the quota with the least remaining."""
    headers: dict[str, str] = {}
    units: tuple[Unit, ...] = ("requests", "tokens")
    for unit in units:
        remaining = {
            quota: max(0, quota.amount - window.used) for quota, window in windows.items() if quota.unit == unit
        }
        if remaining:
            nearest = min(remaining, key=lambda quota: remaining[quota])
            headers[f"x-ratelimit-limit-{unit}"] = str(nearest.amount)
            headers[f"x-ratelimit-remaining-{unit}"] = str(remaining[nearest])
            headers[f"x-ratelimit-reset-{unit}"] = duration(windows[nearest].empty_in)
    return headers


def duration(seconds: float) -> str:
    """``1m5s``, as OpenAI writes it; seconds are rounded up."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _with(window: Window, cost: int) -> Window:
    left = window.current_left or 2 * WINDOW_SECONDS
    return Window(window.previous, window.previous_left, window.current + cost, left)
