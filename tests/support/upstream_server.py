"""A server on loopback whose script decides each byte of its answers: right, wrong, or none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(kw_only=True)
class ReceivedRequest:
    """A request that the server received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """The connection of one request, on which a script answers."""

    def __init__(self, request: ReceivedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def begin(self) -> None:
        await self.raw(OK)

    async def data(self, text: str | bytes) -> None:
        """A piece of the body, unchanged."""
        piece = text.encode() if isinstance(text, str) else text
        await self.raw(b"%x\r\n%s\r\n" % (len(piece), piece))

    async def chunk(self, body: Any) -> None:
        await self.data(f"data: {json.dumps(body)}\n\n")

    async def say(self, *words: str, index: int = 0, **delta: Any) -> None:
        for word in words:
            await self.chunk({"choices": [{"index": index, "delta": {"content": word} | delta}]})

    async def finish(self, reason: str = "stop", *, index: int = 0, usage: Any = None) -> None:
        await self.chunk({"choices": [{"index": index, "delta": {}, "finish_reason": reason}]})
        if usage is not None:
            await self.chunk({"choices": [], "usage": usage})

    async def end(self) -> None:
        await self.data("data: [DONE]\n\n")
        await self.raw(b"0\r\n\r\n")

    async def answer(self, status: int, body: Any, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        while await self._reader.read(4096):
            pass

    def cut(self) -> None:
        self._writer.transport.abort()

    def close(self) -> None:
        """Close the connection when all data is sent."""
        self._writer.close()


Script = Callable[[Connection], Awaitable[None]]


async def well(connection: Connection) -> None:
    """Answer with three words and their usage."""
    await connection.begin()
    await connection.say("One ", "two ", "three")
    await connection.finish(
        usage={"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
    )
    await connection.end()


@dataclass(kw_only=True)
class UpstreamServer:
    url: str = ""
    script: Script = well
    requests: list[ReceivedRequest] = field(default_factory=list)
    connections: int = 0
    busy: int = 0
    """Answers that have not ended."""
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                self.busy += 1
                try:
                    await self.script(Connection(request, reader, writer))
                finally:
                    self.busy -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.discard(writer)
            self.tasks.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> ReceivedRequest | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return ReceivedRequest(method=method, path=path, headers=headers, body=body)


@asynccontextmanager
async def upstream_server(script: Script = well) -> AsyncIterator[UpstreamServer]:
    """On a free port of 127.0.0.1."""
    running = UpstreamServer(script=script)
    server = await asyncio.start_server(running.handle, "127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield running
    finally:
        server.close()
        for writer in list(running.open):
            writer.transport.abort()
        for task in list(running.tasks):
            task.cancel()
        await asyncio.gather(*running.tasks, return_exceptions=True)
