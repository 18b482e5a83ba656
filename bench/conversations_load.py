"""Clients of ``/v1/responses``, each asking again as soon as it has its streamed answer.

``python -m bench.conversations_load PORT MODEL KEY stored|stateless CLIENTS SECONDS`` prints JSON: milliseconds to
the first word and to the end of each answer, what failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

_FIRST = b"response.output_text.delta"
_LAST = b"event: response.completed"
_WARM_SECONDS = 1.0


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self._ended: asyncio.Future[None] | None = None
        self.first = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.first and _FIRST in self._received:
            self.first = time.perf_counter()
        if data.endswith(b"0\r\n\r\n"):
            self._end()

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    async def ask(self) -> tuple[float, float]:
        """Seconds to the first word and to the end. Raises ValueError for an answer that isn't whole."""
        self._received, self.first = b"", 0.0
        self._ended = asyncio.get_running_loop().create_future()
        sent = time.perf_counter()
        self._transport.write(self._request)
        await asyncio.wait_for(self._ended, 60)
        if not self.first or _LAST not in self._received:
            raise ValueError(repr(self._received[-300:]))
        return self.first - sent, time.perf_counter() - sent


async def _main() -> None:
    port, model, key, kind, clients, seconds = sys.argv[1:]
    body = json.dumps(
        {
            "model": model,
            "input": "Say a word, and say it again, as often as you like.",
            "stream": True,
            "store": kind == "stored",
            "max_output_tokens": 64,
        }
    ).encode()
    head = (
        "POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    counts_from = time.perf_counter() + _WARM_SECONDS
    ends, times, problems = counts_from + float(seconds), list[tuple[float, float]](), list[str]()

    async def client() -> None:
        loop = asyncio.get_running_loop()
        _, asking = await loop.create_connection(lambda: _Client(head.encode() + body), "127.0.0.1", int(port))
        while (now := time.perf_counter()) < ends:
            try:
                both = await asking.ask()
            except (ValueError, TimeoutError) as error:
                problems.append(repr(error))
                return
            if now >= counts_from:
                times.append(both)

    await asyncio.gather(*(client() for _ in range(int(clients))))
    milliseconds = [[round(moment * 1000, 3) for moment in moments] for moments in zip(*times, strict=True)]
    print(json.dumps({"first_ms": milliseconds[0], "end_ms": milliseconds[1], "problems": problems[:3]}))


if __name__ == "__main__":
    uvloop.run(_main())
