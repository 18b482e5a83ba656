"""A client's connection: uvicorn's, with three changes.

An answer's head and its first bytes are sent in one packet. A server that ends still answers the first request of a new
connection. What a client may send or keep open before it is authenticated is limited.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from aquilon.conversations.dialects.error_bodies import error_body
from aquilon.errors import ApiError, overloaded
from aquilon.log import get_logger
from aquilon.web.open_connections import OpenConnections, nearly_exhausted

KEEP_ALIVE_SECONDS = 65
"""An idle connection is closed after this time."""
MOST_HEAD_BYTES = 64 * 1024
"""The most bytes in a request's line and header fields together."""
MOST_HEAD_FIELDS = 100

_HEAD = b"HTTP/1.1 "
_FIRST_REQUEST_SECONDS = 0.5
"""When the server ends, a new connection has this time for its first request: its client wouldn't try again."""
_LINGER_SECONDS = 2.0
"""A refused client has this time to read the answer, which may be lost if the connection is closed at once."""
_STALLED_SECONDS = 120.0
"""The connection is cut if the client reads so little that the send buffer stays full for this time."""

log = get_logger("aquilon.connections")


class HeadTooLarge(Exception):
    """Raised in a callback of the parser, which then refuses the request."""


class Connection(HttpToolsProtocol):
    """The server calls ``end_if_late`` about once a second, which costs less than a timer for each request."""

    def __init__(self, *args: Any, open_connections: OpenConnections, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open_connections = open_connections
        self._counted = False
        self._deadline = math.inf
        """The event loop's time at which this connection is closed unless a request's head has arrived."""
        self._write_deadline = math.inf
        self._unused_bytes = 0
        """Bytes received since the parser last completed a head, a piece of a body or a message."""
        self._reads_head = False
        self._refused = False
        """An answer has announced the end of this connection: what the client still sends is not read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(_JoiningTransport(cast(asyncio.Transport, transport), self.loop))
        self._deadline = self.loop.time() + self._open_connections.head_seconds
        descriptor = transport.get_extra_info("socket").fileno()
        reason = self._open_connections.enter(self._address, descriptor)
        self._counted = reason is None
        if reason is not None:
            log.warning("A connection is refused", reason=reason, address=self._address)
            if nearly_exhausted(descriptor):
                self.transport.abort()
            else:
                self._refuse(overloaded("The server has too many connections: try again later", retry_after=5))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._counted:
            self._counted = False
            self._open_connections.leave(self._address)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unused_bytes += len(data)
        super().data_received(data)
        if self._unused_bytes > MOST_HEAD_BYTES and not self._refused:
            self._refuse(_head_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reads_head = True
        self._deadline = self.loop.time() + self._open_connections.head_seconds

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_HEAD_FIELDS or self._head_is_large():
            raise HeadTooLarge
        self._deadline = math.inf
        self._unused_bytes = 0
        self._reads_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unused_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unused_bytes = 0
        super().on_message_complete()
        cycle = cast(RequestResponseCycle | None, self.cycle)  # a WebSocket's handshake has none
        if cycle is not None and cycle.response_complete:
            self._deadline = self.loop.time() + KEEP_ALIVE_SECONDS

    def handle_websocket_upgrade(self) -> None:
        """Hands the transport over to a `WebSocketProtocol`, which also counts the connection's end."""
        if self._answers:
            self.transport.close()  # the client must wait for the answer to its last request
        else:
            super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None and self._deadline == math.inf:
            # The rest of a body that the answer didn't need is waited for no longer than a head.
            seconds = self._open_connections.head_seconds if self.cycle.more_body else KEEP_ALIVE_SECONDS
            self._deadline = self.loop.time() + seconds

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.time() + _STALLED_SECONDS

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_deadline = math.inf

    def end_if_late(self, now: float) -> None:
        """Close or cut the connection if a deadline has passed. ``now``: the event loop's time."""
        if now >= self._write_deadline or (self._refused and now >= self._deadline):
            self.transport.abort()
        elif now >= self._deadline and not self._answers:
            if self._reads_head:
                seconds = self._open_connections.head_seconds
                message = f"The request's head didn't arrive within {seconds:g} seconds"
                self._refuse(ApiError(408, "invalid_request_error", message, code="head_timeout"))
            else:
                self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for a request that the parser refuses; ``msg`` is uvicorn's."""
        if len(self.headers or ()) > MOST_HEAD_FIELDS or self._head_is_large():
            self._refuse(_head_too_large())
        else:
            self._refuse(ApiError(400, "invalid_request_error", msg, code="invalid_http"))

    def shutdown(self) -> None:
        if cast(RequestResponseCycle | None, self.cycle) is None:
            self.loop.call_later(_FIRST_REQUEST_SECONDS, super().shutdown)
        else:
            super().shutdown()

    @property
    def _address(self) -> str:
        return self.client[0] if self.client is not None else ""

    @property
    def _answers(self) -> bool:
        """Whether a request is being answered."""
        return cast(RequestResponseCycle | None, self.cycle) is not None and not self.cycle.response_complete

    def _head_is_large(self) -> bool:
        if self._unused_bytes <= MOST_HEAD_BYTES:
            return False
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD_BYTES

    def _refuse(self, error: ApiError) -> None:
        """Send the error, read nothing more, and close when the client has had time to read it."""
        if self.transport.is_closing():
            return
        self._refused = True
        self._unset_keepalive_if_required()
        if self._answers:
            self.transport.close()
            return
        log.info("A request is refused", status=error.status, address=self._address, error=error.message)
        body = error_body(error)
        fields = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if error.retry_after is not None:
            fields.append((b"retry-after", str(error.retry_after).encode()))
        head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
        self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + body)
        self.transport.write_eof()
        self._deadline = self.loop.time() + _LINGER_SECONDS


def _head_too_large() -> ApiError:
    return ApiError(
        431,
        "invalid_request_error",
        f"The request's head is too large: at most {MOST_HEAD_FIELDS} fields and {MOST_HEAD_BYTES} bytes are read",
        code="head_too_large",
    )


class _JoiningTransport(asyncio.Transport):
    """Holds an answer's head back until its first bytes follow, at most until the event loop's next turn."""

    def __init__(self, onward: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._onward = onward
        self._loop = loop
        self._head = b""

    def write(self, data: Any) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._onward.write(data)

    def _flush(self) -> None:
        if self._head:
            self._onward.write(self._head)
            self._head = b""

    def write_eof(self) -> None:
        self._flush()
        self._onward.write_eof()

    def close(self) -> None:
        self._flush()
        self._onward.close()

    def abort(self) -> None:
        self._head = b""
        self._onward.abort()

    def is_closing(self) -> bool:
        return self._onward.is_closing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._onward.set_protocol(protocol)

    def pause_reading(self) -> None:
        self._onward.pause_reading()

    def resume_reading(self) -> None:
        self._onward.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._onward.get_extra_info(name, default)
