"""Waiting for the next look at what there is to do in the background."""

from __future__ import annotations

import asyncio


async def until_any(*events: asyncio.Event, seconds: float) -> None:
    """Wait until one of these is set, for at most ``seconds``."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
