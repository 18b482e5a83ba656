"""A client's connection: uvicorn's, with an answer's head and the first bytes behind it in one packet, and an end
that refuses no first request."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_HEAD = b"HTTP/1.1 "
_FIRST_REQUEST_SECONDS = 0.5
"""Until when a connection that was just made is waited for at the end: its client wouldn't try again."""


class Connection(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(_JoiningTransport(cast(asyncio.Transport, transport), self.loop))

    def shutdown(self) -> None:
        if cast(RequestResponseCycle | None, self.cycle) is None:
            self.loop.call_later(_FIRST_REQUEST_SECONDS, super().shutdown)
        else:
            super().shutdown()


class _JoiningTransport(asyncio.Transport):
    """Holds a head until something follows it, at most to the end of this turn of the loop."""

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

    def close(self) -> None:
        self._flush()
        self._onward.close()

    def is_closing(self) -> bool:
        return self._onward.is_closing()

    def pause_reading(self) -> None:
        self._onward.pause_reading()

    def resume_reading(self) -> None:
        self._onward.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._onward.get_extra_info(name, default)
