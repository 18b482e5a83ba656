"""An answer that is sent in pieces: server-sent events, or lines of JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aquilon.api.errors import api_error, error_response
from aquilon.api.reader import Reader
from aquilon.conversations.dialects.error_bodies import error_frame
from aquilon.conversations.dialects.frames import DONE

HEARTBEAT_SECONDS = 10.0
_HEARTBEAT = b": waiting\n\n"
_EVENT_STREAM = "text/event-stream; charset=utf-8"

T = TypeVar("T")


class EventStream(Response):
    """Sends frames as they come, heartbeats while none come, and closes the generator when the client leaves, or when
    its reader loses the right to it.

    A failure before the first frame becomes an ordinary error answer with its status;
    a failure after it becomes an error frame of the client's dialect, and the stream ends.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        reader: Reader | None,
        *,
        heartbeat: bytes = _HEARTBEAT,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        media_type: str = _EVENT_STREAM,
    ) -> None:
        """``reader``: None where the frames look by themselves who reads them. ``heartbeat``: a frame that clients
        ignore. Empty for a format that has none."""
        self.status_code = 200
        self.background = None  # FastAPI reads it
        self.raw_headers = [
            (b"content-type", media_type.encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        self._frames = frames
        self._reader = reader
        self._heartbeat = heartbeat
        self._heartbeat_seconds = heartbeat_seconds
        self._started = False
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):
            await unless_gone(receive, self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        silence = _Silence(self._heartbeat_seconds, lambda: self._say_waiting(send))
        try:
            passing_on = self._pass_on(silence, send)
            await (passing_on if self._reader is None else unless(self._reader.refusal(), passing_on))
        except Exception as error:
            if self._ended:
                raise
            if not self._started:
                await error_response(api_error(error))(scope, receive, send)
                return
            await self._send(error_frame(api_error(error), scope), send)
        finally:
            await silence.end()
        if not self._ended:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_on(self, silence: _Silence, send: Send) -> None:
        async with aclosing(self._frames) as frames:
            async for data in frames:
                silence.broken()
                self._ended = data.endswith(DONE)
                await self._send(data, send, more=not self._ended)

    async def _say_waiting(self, send: Send) -> None:
        if self._heartbeat:
            await self._send(self._heartbeat, send)

    async def _send(self, data: bytes, send: Send, *, more: bool = True) -> None:
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": data, "more_body": more})


class _Silence:
    """Calls ``say`` whenever ``broken`` was not called for some seconds. One timer, however often it is called."""

    def __init__(self, seconds: float, say: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._seconds = seconds
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._saying: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(seconds, self._look)

    def broken(self) -> None:
        self._since = self._loop.time()

    async def end(self) -> None:
        self._timer.cancel()
        if self._saying is not None:
            await _end(self._saying)

    def _look(self) -> None:
        now = self._loop.time()
        if now >= self._since + self._seconds:
            self._since = now
            if self._saying is None or self._saying.done():
                self._saying = self._loop.create_task(self._say())
        self._timer = self._loop.call_at(self._since + self._seconds, self._look)


async def answer_unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled when the client leaves: then raises ClientDisconnect."""
    return await unless_gone(request.receive, work)


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """As `answer_unless_gone`."""
    return await unless(_gone(receive), work)


async def unless(prevention: Coroutine[Any, Any, Exception], work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled once ``prevention`` returns: then raises what it returned.

    The work runs in the caller's task, so that it starts at once, and is cancelled as by a time-out.
    """
    task = asyncio.current_task()
    assert task is not None
    before, working, prevented = task.cancelling(), True, False

    def prevent(_: asyncio.Task[Exception]) -> None:
        nonlocal prevented
        if working:
            prevented = True
            task.cancel()

    watching = asyncio.create_task(prevention)
    watching.add_done_callback(prevent)
    try:
        return await work
    except asyncio.CancelledError:
        if prevented and task.cancelling() == before + 1:
            raise watching.result() from None
        raise
    finally:
        working = False
        watching.cancel()
        if prevented:
            task.uncancel()


async def _gone(receive: Receive) -> ClientDisconnect:
    while (await receive())["type"] != "http.disconnect":
        pass
    return ClientDisconnect()


async def _end(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it has cleaned up. Its result is ignored."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
