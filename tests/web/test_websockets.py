"""WebSocket connections of routes: who may open one, what a client may send, and how one ends.

The routes here stand in the application's own middlewares, on the real server class in the tests' process.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
import uvloop
from aiohttp import WSMsgType
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.support.homes import place_database
from tests.support.polling import until
from tests.support.server import RunningServer

from aquilon.api.generation.responses_websocket import converse
from aquilon.api.services import Services
from aquilon.api.websocket import MOST_WAITING, WebSocketConnection, WebSocketRoutes
from aquilon.people.administration import keys
from aquilon.people.first_run import FirstRun, operator, prepare_first_run
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.web.app import create_app
from aquilon.web.boundary import Boundary
from aquilon.web.build import build_services
from aquilon.web.database_watch import WhileDatabaseIsThere
from aquilon.web.http import HttpServer
from aquilon.web.websockets import MESSAGE_SECONDS, STALLED_SECONDS, WebSocketProtocol

MOST_BYTES = 20_000
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
CONTINUATION = 0x0

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    """The server's own event loop."""
    return uvloop.EventLoopPolicy()


@dataclass
class Routes:
    """What the routes of these tests did."""

    ended: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0

    async def echo(self, connection: WebSocketConnection) -> None:
        async for message in connection:
            await connection.send(message.encode())
        self.ended.append("echo")

    async def slow(self, connection: WebSocketConnection) -> None:
        async for message in connection:
            self.asked.set()
            try:
                await self.may_answer.wait()
            except asyncio.CancelledError:
                self.ended.append("cancelled")
                raise
            await connection.send(f"answer to {message}")

    async def flood(self, connection: WebSocketConnection) -> None:
        try:
            while True:
                await connection.send("x" * 10_000)
                self.sent += 1
        finally:
            self.ended.append("flood")

    async def user(self, connection: WebSocketConnection) -> None:
        async for _ in connection:
            await connection.send((await connection.caller()).user_id)

    async def responses(self, connection: WebSocketConnection) -> None:
        await converse(connection, seconds=0.05)

    async def failing(self, connection: WebSocketConnection) -> None:
        async for _ in connection:
            raise RuntimeError("a bug")

    def by_path(self) -> dict[str, Any]:
        names = ("echo", "slow", "flood", "user", "responses", "failing")
        return {f"/{name}": getattr(self, name) for name in names}


@dataclass
class Served:
    http: HttpServer
    routes: Routes
    services: Services
    first: FirstRun
    port: int
    client: aiohttp.ClientSession

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def open(self, path: str, **headers: str) -> aiohttp.ClientWebSocketResponse:
        """A connection with the first key, or with these headers."""
        return await self.client.ws_connect(
            self.url(path), headers=headers or {"authorization": f"Bearer {self.first.api_key}"}, autoping=False
        )

    async def refusal(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        """The plain answer to a handshake."""
        handshake = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        handshake["sec-websocket-key"] = base64.b64encode(os.urandom(16)).decode()
        answer = await self.client.get(self.url(path), headers=handshake | headers)
        await answer.read()
        return answer

    @property
    def protocol(self) -> WebSocketProtocol:
        [only] = [one for one in self.http.server_state.connections if isinstance(one, WebSocketProtocol)]
        return only

    @asynccontextmanager
    async def raw(self, path: str) -> AsyncIterator[Raw]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = [f"GET {path} HTTP/1.1", "host: 127.0.0.1", "connection: Upgrade", "upgrade: websocket"]
            head += ["sec-websocket-version: 13", "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="]
            head += [f"authorization: Bearer {self.first.api_key}", "", ""]
            writer.write("\r\n".join(head).encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            yield Raw(reader, writer)
        finally:
            writer.close()


@dataclass
class Raw:
    """A client that sends any bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def frame(self) -> tuple[int, bytes]:
        """The next frame's type and content."""
        first, length = await self.reader.readexactly(2)
        if length == 126:
            [length] = struct.unpack("!H", await self.reader.readexactly(2))
        return first & 0xF, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """Of the close frame that comes next, and which is answered; then the server ends the connection."""
        kind, content = await self.frame()
        assert kind == CLOSE
        self.writer.write(masked(CLOSE, content))
        await self.reader.read()
        return int(struct.unpack("!H", content[:2])[0])


def masked(kind: int, content: bytes = b"", *, last: bool = True) -> bytes:
    """A client's frame. Its mask is zero, so that its content is as given."""
    size = len(content)
    if size < 126:
        length = bytes([size | 0x80])
    else:
        length = struct.pack("!BH", 126 | 0x80, size) if size < 65536 else struct.pack("!BQ", 127 | 0x80, size)
    return bytes([kind | (0x80 if last else 0)]) + length + b"\0\0\0\0" + content


@asynccontextmanager
async def serving(home: Path, *, idle_seconds: float = 60.0, **settings: Any) -> AsyncIterator[Served]:
    options = Settings(home=home, models=["none"], max_body_bytes=MOST_BYTES, **settings)
    place_database(home)
    database = await Database.open(options)
    first = await prepare_first_run(database)
    assert first is not None
    services, routes = build_services(options, database), Routes()
    app = create_app(services)
    websockets = WebSocketRoutes(app, routes.by_path(), idle_seconds=idle_seconds)
    served = Boundary(WhileDatabaseIsThere(websockets, database), options)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await (served if scope["type"] == "websocket" else cast(ASGIApp, app))(scope | {"app": app}, receive, send)

    http = HttpServer(application, options)
    listener = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(http.serve(sockets=[listener]))
    try:
        await until(lambda: http.started)
        port = listener.getsockname()[1]
        async with aiohttp.ClientSession() as client:
            yield Served(http, routes, services, first, port, client)
        http.should_exit = True
        await running
    finally:
        await services.usage_writer.close()
        await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serving(tmp_path_factory.mktemp("websockets")) as running:
        yield running


@pytest.fixture
def served(shared: Served) -> Served:
    """The module's server, whose routes did nothing yet."""
    shared.routes.__dict__.update(Routes().__dict__)
    return shared


class TestOpening:
    @pytest.mark.parametrize("name", ["authorization", "x-api-key"])
    async def test_a_key_opens_a_connection(self, served: Served, name: str) -> None:
        value = served.first.api_key if name == "x-api-key" else f"Bearer {served.first.api_key}"
        async with await served.open("/echo", **{name: value}) as connection:
            await connection.send_str("été")
            assert await connection.receive_str() == "été"

    @pytest.mark.parametrize(
        ("path", "headers", "status", "code"),
        [
            ("/echo", {}, 401, "missing_api_key"),
            ("/echo", {"authorization": "Bearer aq-wrong"}, 401, "invalid_api_key"),
            ("/nothing", {}, 404, "unknown_path"),
            ("/v1/chat/completions", {}, 404, "unknown_path"),
            ("/echo", {"host": "rebound.example"}, 421, "unknown_host"),
        ],
    )
    async def test_a_refusal_is_a_plain_answer_before_the_connection_is_open(
        self, served: Served, path: str, headers: dict[str, str], status: int, code: str
    ) -> None:
        answer = await served.refusal(path, **headers)
        assert (answer.status, (await answer.json())["code"]) == (status, code)
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_the_application_has_no_websocket_at_a_path_of_http(
        self, served: Served, server: RunningServer
    ) -> None:
        key = {"authorization": f"Bearer {server.api_key}"}
        answer = await replace(served, port=urlsplit(server.url).port or 0).refusal("/v1/chat/completions", **key)
        assert (answer.status, (await answer.json())["code"]) == (404, "unknown_path")

    async def test_a_session_opens_a_connection_from_our_own_page_only(self, served: Served) -> None:
        own = {"origin": served.url("")}
        token = {"token": served.first.login_token}
        async with served.client.post(served.url("/auth/login"), json=token, headers=own) as signed_in:
            cookie = {"cookie": signed_in.headers["set-cookie"].partition(";")[0]}
        served.client.cookie_jar.clear()
        for origin in ({}, {"origin": "https://elsewhere.example"}, {"origin": "null"}):
            assert (await served.refusal("/echo", **cookie, **origin)).status == 403
        async with await served.open("/echo", **cookie, **own) as connection:
            await connection.send_str("hello")
            assert await connection.receive_str() == "hello"

    async def test_nothing_is_opened_while_the_database_is_gone(
        self, served: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(served.services.database, "problem", lambda: "The file is gone")
        assert (await served.refusal("/echo")).status == 503

    async def test_the_handshake_is_refused_while_an_answer_runs_on_the_same_connection(self, served: Served) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        upgrade = b"GET /echo HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
        writer.write(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" + upgrade)
        assert b" 101 " not in await reader.read()
        writer.close()

    async def test_the_log_has_one_line_with_the_request_id_the_user_and_no_content(
        self, served: Served, capfd: pytest.CaptureFixture[str]
    ) -> None:
        from aquilon.web.logs import configure

        configure("info")
        key = {"authorization": f"Bearer {served.first.api_key}", "x-request-id": "mine"}
        async with await served.open("/echo?secret=1", **key) as connection:
            assert connection._response.headers["x-request-id"] == "mine"
            await connection.send_str("private words")
            await connection.receive()
        await until(lambda: bool(served.routes.ended) or not served.http.server_state.tasks)
        [line] = [line for line in capfd.readouterr().err.splitlines() if "request_id=mine" in line]
        assert "event=websocket path=/echo status=101" in line
        assert " user=" in line
        assert "secret" not in line
        assert "private" not in line


class TestMessages:
    async def test_a_key_that_is_revoked_ends_at_the_next_message(self, served: Served) -> None:
        holder = await served.services.key_holders.of(served.first.api_key)
        assert holder is not None
        database, user_id = served.services.database, holder.principal.user_id
        principal = await operator(database)
        new = await keys.create(database, principal, name="brief", user_id=user_id)
        async with await served.open("/user", **{"x-api-key": new.secret}) as connection:
            await connection.send_str("who?")
            assert await connection.receive_str() == user_id
            await keys.revoke(database, principal, new.record.id)
            await connection.send_str("and now?")
            closed = await connection.receive()
            assert (closed.type, closed.data) == (WSMsgType.CLOSE, 1008)
            assert closed.extra is not None
            assert closed.extra.startswith("This API key is not valid here")

    async def test_fragments_of_a_message_are_joined_with_pings_between_them(self, served: Served) -> None:
        async with served.raw("/echo") as raw:
            await raw.send(masked(TEXT, "é".encode()[:1], last=False) + masked(PING, b"1"))
            assert await raw.frame() == (PONG, b"1")
            await raw.send(masked(CONTINUATION, "é".encode()[1:], last=False) + masked(CONTINUATION, b"!"))
            assert await raw.frame() == (TEXT, "é!".encode())

    async def test_a_message_that_never_ends_is_given_up(self, served: Served) -> None:
        for begin in (masked(TEXT, b"half", last=False), masked(TEXT, b"0123456789")[:-5]):
            async with served.raw("/echo") as raw:
                await raw.send(begin)
                await until(lambda: served.protocol._message_deadline < 1e300)
                served.http.end_late_connections(asyncio.get_running_loop().time() + MESSAGE_SECONDS + 1)
                assert await raw.close_code() == 1008
            await until(lambda: not served.http.server_state.connections)

    @pytest.mark.parametrize("fragments", [1, 3])
    async def test_a_message_above_the_limit_is_refused(self, served: Served, fragments: int) -> None:
        piece = b"x" * (MOST_BYTES // fragments + 1)
        async with served.raw("/echo") as raw:
            for number in range(fragments):
                kind = CONTINUATION if number else TEXT
                await raw.send(masked(kind, piece, last=number == fragments - 1))
            assert await raw.close_code() == 1009

    async def test_a_message_of_the_limit_is_taken(self, served: Served) -> None:
        async with await served.open("/echo") as connection:
            await connection.send_str("é" * (MOST_BYTES // 2))
            assert len(await connection.receive_str()) == MOST_BYTES // 2

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (masked(BINARY, b"\x01\x02"), 1003),
            (masked(TEXT, b"\xff\xfe"), 1007),
            (masked(CONTINUATION, b"x"), 1002),
            (masked(0x3, b"x"), 1002),
            (masked(PING, b"x" * 126), 1002),
            (bytes([0x80 | TEXT, 1]) + b"x", 1002),
            (bytes([0xC0 | TEXT, 0x81, 0, 0, 0, 0]) + b"x", 1002),
        ],
        ids=["binary", "no UTF-8", "nothing to continue", "unknown type", "long ping", "no mask", "compressed"],
    )
    async def test_what_is_no_text_message_ends_the_connection(self, served: Served, data: bytes, code: int) -> None:
        async with served.raw("/echo") as raw:
            await raw.send(data)
            assert await raw.close_code() == code

    async def test_messages_wait_while_the_route_is_busy_and_too_many_are_refused(self, served: Served) -> None:
        async with served.raw("/slow") as raw:
            await raw.send(masked(TEXT, b"1") + masked(TEXT, b"2"))
            await served.routes.asked.wait()
            served.routes.may_answer.set()
            assert [await raw.frame(), await raw.frame()] == [(TEXT, b"answer to 1"), (TEXT, b"answer to 2")]
        served.routes.may_answer.clear()
        for too_many in ([b"x"] * (MOST_WAITING + 2), [b"x" * (MOST_BYTES // 2)] * 4):
            async with served.raw("/slow") as raw:
                with contextlib.suppress(ConnectionError):
                    await raw.send(b"".join(masked(TEXT, content) for content in too_many))
                assert await raw.close_code() == 1008

    async def test_a_flood_of_pings_whose_pongs_nobody_reads_fills_no_memory(self, served: Served) -> None:
        async with served.raw("/echo") as raw:
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            raw.reader._limit = 1  # type: ignore[attr-defined]
            pings = masked(PING, b"x" * 125) * 1000
            protocol = served.protocol
            most = 0
            for _ in range(100):
                await raw.send(pings)
                most = max(most, cast(Any, protocol.transport)._onward.get_write_buffer_size())
            assert most < 1_000_000


class TestEnding:
    async def test_a_client_that_leaves_ends_the_work_for_it(self, served: Served) -> None:
        connection = await served.open("/slow")
        await connection.send_str("work")
        await served.routes.asked.wait()
        await connection.close()
        await until(lambda: served.routes.ended == ["cancelled"])

    async def test_a_client_that_reads_nothing_stops_the_route_and_is_cut(self, served: Served) -> None:
        async with served.raw("/flood") as raw:
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await until(lambda: served.protocol._write_deadline < 1e300)
            sent = served.routes.sent
            served.http.end_late_connections(asyncio.get_running_loop().time() + STALLED_SECONDS - 5)
            assert not served.routes.ended
            served.http.end_late_connections(asyncio.get_running_loop().time() + STALLED_SECONDS + 5)
            await until(lambda: served.routes.ended == ["flood"])
            assert served.routes.sent == sent

    async def test_a_failure_of_the_route_is_an_internal_error_and_in_the_log(self, served: Served) -> None:
        async with await served.open("/failing") as connection:
            await connection.send_str("x")
            closed = await connection.receive()
            assert (closed.type, closed.data) == (WSMsgType.CLOSE, 1011)

    async def test_a_silent_client_is_sent_away(self, tmp_path: Path) -> None:
        async with serving(tmp_path, idle_seconds=0.05) as served, served.raw("/echo") as raw:
            assert await raw.close_code() == 1001

    async def test_a_connection_for_responses_ends_after_its_time(self, served: Served) -> None:
        async with await served.open("/responses") as connection:
            error = await connection.receive_json()
            assert (error["type"], error["status"]) == ("error", 400)
            assert error["error"]["code"] == "websocket_connection_limit_reached"
            closed = await connection.receive()
            assert (closed.type, closed.data) == (WSMsgType.CLOSE, 1000)

    async def test_a_client_that_answers_no_ping_is_sent_away(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as served:
            served.http.config.ws_ping_interval = served.http.config.ws_ping_timeout = 0.05
            async with served.raw("/slow") as raw:
                await raw.send(masked(TEXT, b"work"))
                assert (await raw.frame())[0] == PING
                assert await raw.close_code() == 1011
                await until(lambda: served.routes.ended == ["cancelled"])

    async def test_connections_are_counted_until_they_end(self, tmp_path: Path) -> None:
        async with serving(tmp_path, max_connections_by_address=2) as served:
            for _ in range(3):
                async with served.raw("/echo"), served.raw("/echo"):
                    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
                    assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
                    writer.close()
                await until(lambda: not served.http.server_state.connections)

    async def test_a_server_that_ends_lets_the_answer_go_on_and_takes_no_further_message(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as served, served.raw("/slow") as busy, served.raw("/echo") as idle:
            await busy.send(masked(TEXT, b"1"))
            await served.routes.asked.wait()
            served.http.should_exit = True
            assert await idle.close_code() == 1001
            await busy.send(masked(TEXT, b"2"))
            served.routes.may_answer.set()
            assert await busy.frame() == (TEXT, b"answer to 1")
            assert await busy.close_code() == 1001
