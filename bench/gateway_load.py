"""Clients of a chat API: so many requests a second, or so many clients at once, each answer checked to its last word.

``python -m bench.gateway_load PORT MODEL KEY WORDS rate PER_SECOND SECONDS`` or ``… clients COUNT SECONDS``
prints JSON: milliseconds to the first word of each answer, answers a second, what failed.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from typing import cast

import uvloop

from bench.gateway_standin import WORD

_WARM_SECONDS = 1.0
"""Answers in this first time aren't counted: connections are opened, code is loaded."""


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, words: int) -> None:
        self._request, self._words = request, words
        self._waiting: asyncio.Future[None] | None = None
        self._seen = 0
        self._tail = b""
        self.first = 0.0
        self.problem = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        words = data.count(WORD)
        if words and not self._seen:
            self.first = time.perf_counter()
        self._seen += words
        self._tail = (self._tail + data)[-300:]
        if self._tail.endswith(b"0\r\n\r\n"):
            self._end("" if self._seen == self._words and b"[DONE]" in self._tail else repr(self._tail))

    def connection_lost(self, _error: Exception | None) -> None:
        self._end("the connection was closed")

    def _end(self, problem: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self.problem = problem
            self._waiting.set_result(None)

    async def ask(self) -> float:
        """Seconds to the first word."""
        self._seen, self._tail, self.first = 0, b"", 0.0
        self._waiting = asyncio.get_running_loop().create_future()
        sent = time.perf_counter()
        self._transport.write(self._request)
        await asyncio.wait_for(self._waiting, 60)
        return self.first - sent


class _Load:
    def __init__(self, port: int, *, model: str, key: str, words: int) -> None:
        body = json.dumps(
            {
                "model": model,
                "messages": [{"role": "user", "content": "Say a word, and say it again, as often as you like."}],
                "stream": True,
                "stream_options": {"include_usage": True},
                "max_tokens": 64,
            }
        ).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._port, self._request, self._words = port, head.encode() + body, words
        self._idle: list[_Client] = []
        self.firsts: list[float] = []
        self.done = 0
        self.problems: list[str] = []

    async def ask(self, *, since: float = 0.0, until: float = math.inf) -> None:
        """Ask once; the answer counts if it ends between ``since`` and ``until``."""
        client = self._idle.pop() if self._idle else await self._connect()
        try:
            first = await client.ask()
        except TimeoutError:
            client.problem, first = "no answer within 60 s", 0.0
        if client.problem:
            self.problems.append(client.problem)
            return
        self._idle.append(client)
        if since <= time.perf_counter() < until:
            self.firsts.append(first)
            self.done += 1

    async def _connect(self) -> _Client:
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: _Client(self._request, self._words), "127.0.0.1", self._port
        )
        return client

    async def at_rate(self, per_second: float, seconds: float) -> float:
        """Requests start on time, whether or not others have ended."""
        loop, tasks = asyncio.get_running_loop(), []
        started_at, since = loop.time(), time.perf_counter() + _WARM_SECONDS
        for number in range(int(per_second * (seconds + _WARM_SECONDS))):
            due = started_at + number / per_second
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.create_task(self.ask(since=since)))
        await asyncio.gather(*tasks)
        return seconds

    async def together(self, clients: int, seconds: float) -> float:
        """Each client asks again as soon as it has its answer."""
        counts_from = time.perf_counter() + _WARM_SECONDS
        ends = counts_from + seconds

        async def client() -> None:
            while time.perf_counter() < ends and len(self.problems) < 100:
                await self.ask(since=counts_from, until=ends)

        await asyncio.gather(*(client() for _ in range(clients)))
        return seconds


async def _main() -> None:
    port, model, key, words, how, many, seconds = sys.argv[1:]
    load = _Load(int(port), model=model, key=key, words=int(words))
    if how == "rate":
        took = await load.at_rate(float(many), float(seconds))
    else:
        took = await load.together(int(many), float(seconds))
    firsts = [round(first * 1000, 3) for first in load.firsts]
    print(json.dumps({"first_ms": firsts, "per_second": load.done / took, "problems": load.problems[:3]}))


if __name__ == "__main__":
    uvloop.run(_main())
