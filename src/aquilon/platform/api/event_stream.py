"""Server-sent events: one answer that arrives in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aquilon.platform.api.errors import api_error, error_body, error_response

HEARTBEAT_SECONDS = 10.0
DONE = b"data: [DONE]\n\n"
_HEARTBEAT = b": waiting\n\n"

T = TypeVar("T")


def frame(data: bytes) -> bytes:
    """One event; ``data`` is JSON without line breaks."""
    return b"data: " + data + b"\n\n"


class EventStream(Response):
    """Sends frames as they come, comments while there are none, and ends the generator as soon as the client is gone.

    A failure before the first frame is an ordinary error answer with its status;
    after it, an ``error`` event and the end.
    """

    def __init__(self, frames: AsyncGenerator[bytes], *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )
        del self.headers["content-length"]
        self._frames = frames
        self._heartbeat_seconds = heartbeat_seconds
        self._sent_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):
            await unless_gone(receive, self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._frames) as frames:
            first: asyncio.Future[bytes] = asyncio.ensure_future(_next(frames))
            try:
                await asyncio.wait({first}, timeout=self._heartbeat_seconds)
                if first.done() and (error := first.exception()) is not None:
                    assert isinstance(error, Exception)
                    await error_response(api_error(error))(scope, receive, send)
                    return
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await self._send_frames(first, frames, send)
            finally:
                await _end(first)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_frames(self, first: Awaitable[bytes], frames: AsyncGenerator[bytes], send: Send) -> None:
        clock = asyncio.get_running_loop().time
        self._sent_at = clock()
        beating = asyncio.create_task(self._beat(clock, send))
        try:
            await _send_body(send, await first)
            async for data in frames:
                self._sent_at = clock()
                await _send_body(send, data)
        except Exception as error:
            await _send_body(send, b"event: error\n" + frame(error_body(api_error(error))))
        finally:
            await _end(beating)

    async def _beat(self, clock: Callable[[], float], send: Send) -> None:
        """Looks after each possible silence, not at each frame: one timer, however many frames there are."""
        while True:
            left = self._sent_at + self._heartbeat_seconds - clock()
            if left > 0:
                await asyncio.sleep(left)
            else:
                self._sent_at = clock()
                await _send_body(send, _HEARTBEAT)


async def answer_unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled when the client leaves: then raises ClientDisconnect."""
    return await unless_gone(request.receive, work)


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        await _end(watching)
        await _end(working)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next(frames: AsyncGenerator[bytes]) -> bytes:
    return await anext(frames)


async def _send_body(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _end(task: asyncio.Future[Any]) -> None:
    """Cancel and wait until it has cleaned up; its outcome, if any, was looked at before."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
