"""Clients of ``/v1/responses``, each asking again as soon as it has its streamed answer.

``python -m bench.conversations_load PORT MODEL KEY stored,stateless CLIENTS SECONDS`` prints JSON: for each kind of
answer, which each client asks for in turns, milliseconds to the first word and to the end; and what failed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import cast

import uvloop

_FIRST = b"response.output_text.delta"
_LAST = b"event: response.completed"
_WARM_SECONDS = 1.0


class _Client(asyncio.Protocol):
    def __init__(self) -> None:
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

    async def ask(self, request: bytes) -> tuple[float, float]:
        """Seconds to the first word and to the end. Raises ValueError for an answer that isn't whole."""
        self._received, self.first = b"", 0.0
        self._ended = asyncio.get_running_loop().create_future()
        sent = time.perf_counter()
        self._transport.write(request)
        await asyncio.wait_for(self._ended, 60)
        if not self.first or _LAST not in self._received:
            raise ValueError(repr(self._received[-300:]))
        return self.first - sent, time.perf_counter() - sent


async def _main() -> None:
    port, model, key, kinds, clients, seconds = sys.argv[1:]
    requests = {kind: _request(model, key, stored=kind == "stored") for kind in kinds.split(",")}
    counts_from = time.perf_counter() + _WARM_SECONDS
    ends, problems = counts_from + float(seconds), list[str]()
    times: dict[str, list[tuple[float, float]]] = {kind: [] for kind in requests}

    async def client(number: int) -> None:
        loop = asyncio.get_running_loop()
        _, asking = await loop.create_connection(_Client, "127.0.0.1", int(port))
        order = [*requests][:: -1 if number % 2 else 1]
        for kind in itertools.cycle(order):
            if (now := time.perf_counter()) >= ends:
                return
            try:
                both = await asking.ask(requests[kind])
            except (ValueError, TimeoutError) as error:
                problems.append(repr(error))
                return
            if now >= counts_from:
                times[kind].append(both)

    await asyncio.gather(*(client(number) for number in range(int(clients))))
    milliseconds = {
        kind: {
            name: [round(both[place] * 1000, 3) for both in pairs] for place, name in enumerate(("first_ms", "end_ms"))
        }
        for kind, pairs in times.items()
    }
    print(json.dumps({"times": milliseconds, "problems": problems[:3]}))


def _request(model: str, key: str, *, stored: bool) -> bytes:
    body = json.dumps(
        {
            "model": model,
            "input": "Say a word, and say it again, as often as you like.",
            "stream": True,
            "store": stored,
            "max_output_tokens": 64,
        }
    ).encode()
    head = (
        "POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    uvloop.run(_main())
