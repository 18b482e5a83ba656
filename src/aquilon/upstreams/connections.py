"""Connections to one upstream, used again and again: but none on which something came that nobody had asked for."""

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
        """aiohttp's own would take what came meanwhile for the answer to whatever is asked next."""
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


class _Handler(ResponseHandler):
    def set_exception(self, exc: BaseException, *causes: BaseException) -> None:
        """aiohttp's own leaves whoever reads an answer waiting where its framing makes no sense."""
        super().set_exception(exc, *causes)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError(str(exc)))
