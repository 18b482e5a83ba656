"""HTTP and WebSocket connections to an application, by uvicorn, with limits on what a client may send or keep open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from functools import partial
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from aquilon.settings import Settings
from aquilon.web.connection import KEEP_ALIVE_SECONDS, Connection
from aquilon.web.logs import write_counts
from aquilon.web.open_connections import OpenConnections
from aquilon.web.websockets import WebSocketProtocol

CLOSE_SECONDS = 7
"""After this time, connections are cut when the server ends."""
_TICKS_A_SECOND = 10
"""How often uvicorn's main loop runs."""


class HttpServer(uvicorn.Server):
    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        connections = OpenConnections(settings)
        config = uvicorn.Config(
            app,
            loop="none",
            http=cast(type[asyncio.Protocol], partial(Connection, open_connections=connections)),
            ws=cast(type[asyncio.Protocol], partial(WebSocketProtocol, open_connections=connections)),
            ws_max_size=settings.max_body_bytes,
            ws_per_message_deflate=False,  # a small message could unpack to gigabytes
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Keeps our signal handlers: uvicorn's would end the process by the signal, not with status 0."""
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0:
            self.end_late_connections(asyncio.get_running_loop().time())
            write_counts()
        return await super().on_tick(counter)

    def end_late_connections(self, now: float) -> None:
        """Close or cut each connection that has passed a deadline. ``now``: the event loop's time."""
        for connection in list(self.server_state.connections):
            cast(Connection | WebSocketProtocol, connection).end_if_late(now)
