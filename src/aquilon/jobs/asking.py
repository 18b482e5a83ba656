"""Requests to the application itself, without a network, so that a batch line passes every check of a live request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message

from aquilon.people.identity import Principal
from aquilon.people.origin import IN_PROCESS


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str | None:
        """The error's code; None if the body is no error."""
        try:
            return msgspec.json.decode(self.body, type=_Error).code
        except msgspec.MsgspecError:
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdigit() else None


class _Error(msgspec.Struct):
    code: str | None = None


async def ask(app: ASGIApp, principal: Principal, *, path: str, body: bytes) -> Answer:
    """POST JSON as this principal. To the application, a cancellation is a client that leaves."""
    answer, parts = Answer(), bytearray()
    request: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if request:
            return request.pop()
        await asyncio.Event().wait()  # this client never disconnects before its answer
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            parts.extend(message.get("body", b""))

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        "state": {},
        IN_PROCESS: principal,
    }
    await app(scope, receive, send)
    answer.body = bytes(parts)
    return answer
