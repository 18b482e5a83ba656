"""WebSocket connections for routes: refused with a plain HTTP answer, or accepted for a caller who is known.

A route is an asynchronous function of a `WebSocketConnection`, added with `Routes.websocket`. It runs until it returns,
the client leaves, or the client is silent for too long. When the server ends, it gets no further message. An ApiError
that it raises closes the connection with the error's message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from enum import IntEnum
from typing import Any

from sqlalchemy.exc import DBAPIError
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aquilon.api.authentication import authenticate
from aquilon.api.errors import api_error, error_response
from aquilon.api.event_stream import unless_gone
from aquilon.api.services import services
from aquilon.errors import ApiError, not_found
from aquilon.people.identity import Principal

STOPPING = "aquilon.websocket.stopping"
"""The type of an ASGI message that the server sends when it ends: the connection is closed after the present answer."""
IDLE_SECONDS = 600.0
"""A connection is closed if no message comes for this time while its route waits for one."""
MOST_WAITING = 16
"""Messages that may wait while the route is busy; their bytes together have the limit of one message."""

_MOST_REASON_BYTES = 123


class CloseCode(IntEnum):
    """Of RFC 6455, 7.4.1."""

    NORMAL = 1000
    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    POLICY = 1008
    INTERNAL_ERROR = 1011


class WebSocketConnection(AsyncIterator[str]):
    """An accepted connection. To iterate is to wait for the client's next message, a text.

    When the client leaves, the route is cancelled, wherever it is.
    """

    def __init__(self, request: Request, *, receive: Receive, send: Send, idle_seconds: float) -> None:
        self.request = request
        """The handshake, for its headers and for `services`. It has no body."""
        self._receive = receive
        self._send = send
        self._idle_seconds = idle_seconds
        self._most_bytes = services(request).settings.max_body_bytes
        self._messages: asyncio.Queue[str | None] = asyncio.Queue()
        """Ends with None when no further message will come."""
        self._waiting_bytes = 0
        self._closing = CloseCode.NORMAL, ""
        self._closed = False

    async def caller(self) -> Principal:
        """To be asked for each message: a key may have been revoked since the last one. Raises ApiError."""
        return await authenticate(self.request)

    async def __anext__(self) -> str:
        if self._closed:
            raise StopAsyncIteration
        try:
            async with asyncio.timeout(self._idle_seconds):
                message = await self._messages.get()
        except TimeoutError:
            message = None
            self._closing = CloseCode.GOING_AWAY, f"No message came for {self._idle_seconds:g} seconds"
        if message is None:
            raise StopAsyncIteration
        self._waiting_bytes -= len(message)
        return message

    async def send(self, data: bytes | str) -> None:
        """Send a text message; ``data`` is UTF-8 if it is bytes. Waits while the client doesn't read.

        Raises ClientDisconnect if the client has left.
        """
        await self._send_on({"type": "websocket.send", "text": data if isinstance(data, str) else data.decode()})

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """End the connection before the route returns; ``reason`` is cut to what a close frame holds."""
        if not self._closed:
            self._closed = True
            reason = reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore")
            await self._send_on({"type": "websocket.close", "code": int(code), "reason": reason})

    async def serve(self, route: Callable[[WebSocketConnection], Awaitable[None]]) -> None:
        """Run the route, then close the connection. Raises ClientDisconnect if the client leaves before."""

        async def work() -> None:
            try:
                await route(self)
            except ApiError as error:
                code = CloseCode.POLICY if error.status < 500 else CloseCode.INTERNAL_ERROR
                await self.close(code, error.message)
            else:
                await self.close(*self._closing)

        await unless_gone(self._take, work())

    async def _send_on(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:  # uvicorn's word for a client that has left
            raise ClientDisconnect from error

    async def _take(self) -> Message:
        """Put the next message among those that wait for the route."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return {"type": "http.disconnect"}
        if message["type"] == STOPPING:
            self._closing = CloseCode.GOING_AWAY, "The server ends"
            self._messages.put_nowait(None)
        elif message["type"] == "websocket.receive" and not self._closed:
            await self._add(message.get("text"))
        return message

    async def _add(self, text: str | None) -> None:
        waiting = self._messages.qsize()
        if text is None:
            await self._refuse(CloseCode.UNSUPPORTED_DATA, "Messages must be text, not binary")
        elif waiting >= MOST_WAITING or (waiting and self._waiting_bytes + len(text) > self._most_bytes):
            await self._refuse(CloseCode.POLICY, "Too many messages wait: send one after the answer to another")
        else:
            self._waiting_bytes += len(text)
            self._messages.put_nowait(text)

    async def _refuse(self, code: CloseCode, reason: str) -> None:
        await self.close(code, reason)
        self._messages.put_nowait(None)


WebSocketRoute = Callable[[WebSocketConnection], Awaitable[None]]


class WebSocketRoutes:
    """ASGI middleware before the router: serves WebSocket connections and passes everything else on."""

    def __init__(
        self, app: ASGIApp, routes: Mapping[str, WebSocketRoute], *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        """``routes`` by their paths."""
        self._app = app
        self._routes = routes
        self._idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        request = _handshake(scope)
        try:
            route = self._routes.get(scope["path"])
            if route is None:
                raise not_found(f"There is no WebSocket at {scope['path'][:200]}", code="unknown_path")
            await authenticate(request)
        except (ApiError, DBAPIError) as error:
            await error_response(api_error(error))(scope, receive, send)
            return
        await receive()  # the message that asks for acceptance
        await send({"type": "websocket.accept"})
        connection = WebSocketConnection(request, receive=receive, send=send, idle_seconds=self._idle_seconds)
        await connection.serve(route)


def _handshake(scope: Scope) -> Request:
    """The handshake as a request. A POST, since any site may make a browser send one: with a session it must come
    from our own page."""
    as_http: dict[str, Any] = {"type": "http", "method": "POST", "scheme": scope["scheme"].replace("ws", "http", 1)}
    return Request({**scope, **as_http})
