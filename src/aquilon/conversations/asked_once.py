"""What a model is asked once, though the request for it arrives again: its client lost the answer, or never had it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class AskedOnce(Generic[T]):
    """In one process: a request that arrives again at another one is answered anew."""

    def __init__(self, kept_seconds: float = 0.0) -> None:
        """``kept_seconds``: for how long an answer is given again once it is there."""
        self._kept_seconds = kept_seconds
        self._asked: dict[Hashable, asyncio.Task[T]] = {}

    async def answer(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``ask`` returns, or has returned under the same key. It goes on when its requests are gone.

        What it raises is raised for all who wait, and the next one asks again.
        """
        asking = self._asked.get(key)
        if asking is None:
            asking = self._asked[key] = asyncio.create_task(ask())
            asking.add_done_callback(lambda done: self._forget_later(key, done))
        return await asyncio.shield(asking)

    def _forget_later(self, key: Hashable, done: asyncio.Task[T]) -> None:
        if done.cancelled() or done.exception() is not None or not self._kept_seconds:
            del self._asked[key]
        else:
            asyncio.get_running_loop().call_later(self._kept_seconds, self._asked.pop, key)
