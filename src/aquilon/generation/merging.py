"""Merges several generations into one stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

E = TypeVar("E")


def merged(generations: Sequence[AsyncGenerator[E]]) -> AsyncGenerator[E]:
    """Events in the order in which they come; the first failure ends all generations."""
    return generations[0] if len(generations) == 1 else _merged(generations)


async def _merged(generations: Sequence[AsyncGenerator[E]]) -> AsyncGenerator[E]:
    queue: asyncio.Queue[E | Exception | None] = asyncio.Queue(maxsize=1)

    async def drain(events: AsyncGenerator[E]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    await queue.put(event)
            await queue.put(None)
        except Exception as error:
            await queue.put(error)

    tasks = [asyncio.create_task(drain(events)) for events in generations]
    unfinished = len(tasks)
    try:
        while unfinished:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                unfinished -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
