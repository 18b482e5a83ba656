"""Connections to one upstream. They are reused, unless an upstream has sent data without a request."""

from __future__ import annotations

from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from aquilon.upstreams.addresses import VettedResolver
from aquilon.upstreams.upstream import Upstream


class VettedConnections(aiohttp.TCPConnector):
    def __init__(self, upstream: Upstream) -> None:
        super().__init__(resolver=VettedResolver(upstream), limit=0, ttl_dns_cache=30, keepalive_timeout=30)
        handler: type[ResponseHandler] = _Handler
        self._factory = partial(handler, loop=self._loop)

    async def _get(self, key: Any, traces: list[Any]) -> Connection | None:
        """An idle connection without unread data: aiohttp would take that data for the answer to the next request."""
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


class _Handler(ResponseHandler):
    def set_exception(self, exc: BaseException, *causes: BaseException) -> None:
        """Raise the error to the reader of a response too: aiohttp leaves it waiting if the framing is broken."""
        super().set_exception(exc, *causes)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError(str(exc)))
