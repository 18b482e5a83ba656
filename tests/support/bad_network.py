"""A network between a browser and a server that loses what a test tells it to lose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Fate = Literal["cut", "silent"]
"""What becomes of an answer: its connection is cut before the first byte, or nothing arrives and nobody is told."""


@dataclass
class BadNetwork:
    """Passes bytes on. ``fates``: by the first words of a request, such as ``POST /v1/responses ``, for the next such
    request what becomes of its answer."""

    target: tuple[str, int]
    url: str = ""
    fates: dict[str, Fate] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    """The first words of the requests whose answers were lost."""

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self.target)
        fate: Fate | None = None

        async def forth() -> None:
            nonlocal fate
            while data := await reader.read(65_536):
                for words in [words for words in self.fates if data.startswith(words.encode())]:
                    fate = self.fates.pop(words)
                    self.lost.append(words)
                back.write(data)
                await back.drain()

        async def backwards() -> None:
            while data := await there.read(65_536):
                if fate == "cut":
                    return
                if fate is None:
                    writer.write(data)
                    await writer.drain()

        ways = [asyncio.create_task(forth()), asyncio.create_task(backwards())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, back):
                end.transport.abort()


@asynccontextmanager
async def bad_network(server_url: str) -> AsyncIterator[BadNetwork]:
    """A network on a free port of 127.0.0.1, with a server behind it."""
    address = urlsplit(server_url)
    assert address.hostname is not None
    assert address.port is not None
    network = BadNetwork((address.hostname, address.port))
    listener = await asyncio.start_server(network.connect, "127.0.0.1", 0)
    network.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield network
    finally:
        listener.close()
