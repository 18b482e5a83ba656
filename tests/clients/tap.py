"""Listens to what a client asks of a server: bytes pass both ways unchanged, and each request is written down."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httptools

SHOWN_HEADERS = re.compile(
    r"user-agent|content-encoding|upgrade|accept|anthropic-.*|openai-.*|x-stainless-(lang|package-version)"
)
"""Never those that hold a key."""
RECORDED = Path(__file__).parent / "recorded"
"""What agents asked when they were tried: one request a line."""
MOST_CHARACTERS = 120
"""Longer texts are cut: prompts belong to their vendors, and fill pages."""


@dataclass
class Recorded:
    """A request, and how it was answered."""

    method: str = ""
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    size: int = 0
    """Of the body, in bytes."""
    body: Any = None
    status: int = 0
    refusal: str = ""
    """The beginning of an answer of 400 or above."""


def shortened(value: Any) -> Any:
    """The same structure with its long texts cut."""
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        return f"{value[:MOST_CHARACTERS]}… ({len(value)} characters)"
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    return value


class _Requests:
    """Callbacks of httptools for what the client sends on one connection."""

    def __init__(self, log: list[Recorded]) -> None:
        self._log = log
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._request = Recorded()
        self._body = b""
        self.unanswered: list[Recorded] = []

    def feed(self, data: bytes) -> None:
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._parser = None  # what follows is no longer HTTP

    def on_message_begin(self) -> None:
        self._request, self._body = Recorded(), b""
        self._log.append(self._request)
        self.unanswered.append(self._request)

    def on_url(self, url: bytes) -> None:
        self._request.path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        if SHOWN_HEADERS.fullmatch(name.decode().lower()):
            self._request.headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._request.method = self._parser.get_method().decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._request.size = len(self._body)
        if self._body:
            try:
                self._request.body = shortened(json.loads(self._body))
            except ValueError:
                self._request.body = "no JSON"


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, log: list[Recorded]) -> None:
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
    requests = _Requests(log)

    async def up() -> None:
        while data := await reader.read(65536):
            requests.feed(data)
            there_writer.write(data)
            await there_writer.drain()
        there_writer.write_eof()

    async def down() -> None:
        answered: Recorded | None = None
        while data := await there_reader.read(65536):
            if requests.unanswered and (status := re.match(rb"HTTP/1.1 ([2-5]\d\d|101)", data)):
                answered = requests.unanswered.pop(0)
                answered.status = int(status[1])
            if answered is not None and answered.status >= 400:
                answered.refusal = (answered.refusal + data.decode(errors="replace").partition("\r\n\r\n")[2])[:1000]
            writer.write(data)
            await writer.drain()
        writer.close()

    with suppress(OSError, asyncio.CancelledError):  # cancelled at the tap's end; asyncio would report it as an error
        await asyncio.gather(up(), down())
    for one in (writer, there_writer):
        one.close()


@contextmanager
def tap(port: int, log: list[Recorded]) -> Iterator[str]:
    """Between a client and the server on this port; yields the address for the client."""

    loop = asyncio.new_event_loop()
    accept = asyncio.start_server(lambda reader, writer: _forward(reader, writer, port, log), "127.0.0.1", 0)
    server = loop.run_until_complete(accept)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))
        loop.close()


def write_log(log: list[Recorded], file: Path) -> None:
    """One JSON object a line. Of a body, what was the same in the one before is only named."""
    before: dict[str, Any] = {}
    with file.open("w", encoding="utf-8") as lines:
        for request in log:
            line = {name: value for name, value in vars(request).items() if value not in ("", 0, None, {}, [])}
            if isinstance(request.body, dict):
                line |= _difference(before, request.body)
                before = request.body
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")


def read_log(file: Path) -> list[Recorded]:
    """What `write_log` wrote."""
    log: list[Recorded] = []
    before: dict[str, Any] = {}
    for text in file.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        same, longer = line.pop("same", ()), line.pop("longer", {})
        if isinstance(line.get("body"), dict):
            line["body"] |= {name: before[name] for name in same}
            line["body"] |= {name: before[name] + more for name, more in longer.items()}
            before = line["body"]
        log.append(Recorded(**line))
    return log


def _difference(before: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """``body``: what is new; ``same``: fields with their earlier value; ``longer``: what was added to lists."""
    same, longer, new = [], {}, {}
    for name, value in body.items():
        earlier = before.get(name)
        if value == earlier:
            same.append(name)
        elif isinstance(value, list) and isinstance(earlier, list) and value[: len(earlier)] == earlier:
            longer[name] = value[len(earlier) :]
        else:
            new[name] = value
    return {"body": new, "same": same, "longer": longer}
