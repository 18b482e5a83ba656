"""A client's WebSocket connection (RFC 6455): uvicorn's, with limits that an HTTP connection has too.

A message has a limit in bytes and time, and the connection is cut if the client stops reading. A server that ends lets
the answer that runs go on: it sends the application a `STOPPING` message in place of a disconnect.
"""

from __future__ import annotations

import math
from typing import Any

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto import events
from wsproto.connection import ConnectionState

from aquilon.api.websocket import STOPPING, CloseCode
from aquilon.web.open_connections import OpenConnections

STALLED_SECONDS = 120.0
"""The connection is cut if the client reads so little that the send buffer stays full for this time."""
MESSAGE_SECONDS = 60
"""A message that takes longer to arrive is given up."""
_CLOSE_SECONDS = 2.0
"""A client has this time to answer a close frame."""


class WebSocketProtocol(WSProtocol):
    """`Connection` hands its transport over to it. The server calls ``end_if_late`` about once a second."""

    def __init__(self, *args: Any, open_connections: OpenConnections, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = _CLOSE_SECONDS
        self._open_connections = open_connections
        self._write_deadline = math.inf
        self._message_deadline = math.inf
        """The event loop's time at which the message that has begun must be complete."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._write_deadline = self._message_deadline = math.inf
        self._open_connections.leave(self.client[0] if self.client is not None else "")

    def handle_connect(self, event: events.Request) -> None:
        super().handle_connect(event)
        self.transport.pause_reading()  # nothing is read of a client that isn't authenticated yet

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept":
            self.transport.resume_reading()

    def handle_message(self, event: events.TextMessage | events.BytesMessage) -> None:
        super().handle_message(event)
        if event.message_finished:
            self._message_deadline = math.inf
        else:
            self._message_deadline = min(self._message_deadline, self.loop.time() + MESSAGE_SECONDS)

    def handle_close(self, event: events.CloseConnection) -> None:
        if self.conn.state is ConnectionState.OPEN and not self.close_sent:
            self._end(event.code, event.reason or "")  # no frame of the client's, but the parser's word for a wrong one
        else:
            super().handle_close(event)

    def handle_ping(self, event: events.Ping) -> None:
        if self.writable.is_set():  # otherwise pongs that a client doesn't read would fill the memory
            super().handle_ping(event)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.time() + STALLED_SECONDS

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_deadline = math.inf

    def end_if_late(self, now: float) -> None:
        """Cut the connection if a deadline has passed. ``now``: the event loop's time."""
        if now >= self._write_deadline:
            self.transport.abort()
        elif now >= self._message_deadline and not self.close_sent:
            self._message_deadline = math.inf
            self._end(CloseCode.POLICY, f"The message didn't arrive within {MESSAGE_SECONDS} seconds")

    def shutdown(self) -> None:
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait({"type": STOPPING})  # type: ignore[typeddict-item]
        else:
            super().shutdown()

    def _end(self, code: int, reason: str) -> None:
        self.close_sent = True
        self.transport.write(self.conn.send(events.CloseConnection(code=code, reason=reason)))
        self.transport.close()
