"""Limits on unauthenticated clients: bytes, time and connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from tests.support.polling import until, wait_until
from tests.support.server import RunningServer, start_server
from uvicorn.server import ServerState

from aquilon.settings import Settings
from aquilon.web.connection import Connection
from aquilon.web.open_connections import OpenConnections, network_of

BY_ADDRESS = 12


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server on which a head has a second to arrive and an address may have twelve connections."""
    limits = {"AQUILON_HEAD_SECONDS": "1", "AQUILON_MAX_CONNECTIONS_BY_ADDRESS": str(BY_ADDRESS)}
    running = start_server(tmp_path_factory.mktemp("limits"), environment={"AQUILON_MODELS": "none", **limits})
    yield running
    running.stop()


def connect(server: RunningServer, source: str = "127.0.0.1") -> socket.socket:
    address = ("127.0.0.1", urlsplit(server.url).port or 0)
    return socket.create_connection(address, timeout=20, source_address=(source, 0))


def whole_answer(connection: socket.socket) -> bytes:
    """All bytes until the server closes the connection."""
    answer = b""
    while packet := connection.recv(65536):
        answer += packet
    return answer


def send_without_end(connection: socket.socket, piece: bytes, most: int) -> int:
    """How many bytes could be sent, at most about ``most``, before an answer came."""
    sent = 0
    connection.setblocking(False)
    while sent < most:
        try:
            sent += connection.send(piece)
        except BlockingIOError:
            pass
        except ConnectionError:
            break
        with contextlib.suppress(BlockingIOError):
            if connection.recv(1, socket.MSG_PEEK):
                break
    connection.settimeout(20)
    return sent


HEAD = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    ("case", "beginning", "piece"),
    [
        ("fields", HEAD, b"x-more: 1\r\n" * 100),
        ("one field", HEAD + b"x-more: ", b"a" * 4096),
        ("a field's name", HEAD, b"a" * 4096),
        ("a path", b"GET /", b"a" * 4096),
        ("fields behind a body", b"POST /health HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
         b"x-more: 1\r\n" * 100),
    ],
)  # fmt: skip
def test_a_head_without_an_end_is_refused_after_64_kilobytes(
    gateway: RunningServer, case: str, beginning: bytes, piece: bytes
) -> None:
    with connect(gateway) as connection:
        connection.sendall(beginning)
        sent = send_without_end(connection, piece, most=100 * 2**20)
        answer = whole_answer(connection)
    assert sent < 10 * 2**20, case
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 405 "))  # the 405 is sent before the body has ended


def test_a_head_with_too_many_fields_or_bytes_is_answered_431_with_an_error_body(gateway: RunningServer) -> None:
    url = f"{gateway.url}/health"
    assert httpx.get(url, headers=[(f"x-{number}", "1") for number in range(90)]).status_code == 200
    assert httpx.get(url, headers={"x-long": "a" * 60_000}).status_code == 200
    for headers in ([(f"x-{number}", "1") for number in range(101)], [("x-long", "a" * 66_000)]):
        answer = httpx.get(url, headers=headers)
        assert answer.status_code == 431
        assert answer.headers["connection"] == "close"
        assert answer.json()["error"]["code"] == "head_too_large"


def test_bytes_that_are_not_http_are_answered_400_with_an_error_body(gateway: RunningServer) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"hello\r\n\r\n")
        head, _, body = whole_answer(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "invalid_http"


def test_a_head_that_does_not_arrive_in_time_is_answered_408(gateway: RunningServer) -> None:
    with connect(gateway) as connection:
        connection.sendall(HEAD)
        head, _, body = whole_answer(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"]["code"] == "head_timeout"


def test_a_second_head_on_a_connection_has_no_more_time(gateway: RunningServer) -> None:
    with connect(gateway) as connection:
        connection.sendall(HEAD + b"\r\n" + HEAD)
        answers = whole_answer(connection)
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answers


def test_a_connection_without_a_request_is_closed(gateway: RunningServer) -> None:
    with connect(gateway) as connection:
        assert whole_answer(connection) == b""


def test_an_unread_body_does_not_keep_its_connection_open(gateway: RunningServer) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{")
        assert whole_answer(connection).startswith(b"HTTP/1.1 401 ")


def test_connections_above_an_addresss_limit_are_refused_and_other_addresses_are_served(gateway: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(connect(gateway)) for _ in range(BY_ADDRESS)]
        for connection in kept:
            connection.sendall(HEAD + b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        with connect(gateway) as connection:
            answer = whole_answer(connection)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: " in answer
        with connect(gateway, "127.0.0.2") as connection:
            connection.sendall(HEAD + b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert "AQUILON_MAX_CONNECTIONS_BY_ADDRESS" in gateway.log
    wait_until(lambda: httpx.get(f"{gateway.url}/health").status_code == 200)


def test_a_server_without_free_file_descriptors_logs_it_and_recovers(tmp_path: Path) -> None:
    server = start_server(tmp_path, environment={"AQUILON_MODELS": "none", "AQUILON_HEAD_SECONDS": "1"})
    try:
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (64, 64))
        with contextlib.ExitStack() as stack:
            for number in range(60):
                stack.enter_context(connect(server, f"127.0.1.{number + 1}"))
            wait_until(lambda: "file descriptors are in use" in server.log)
        wait_until(lambda: _is_healthy(server))
    finally:
        server.stop()


def test_addresses_are_counted_by_network_and_trusted_proxies_are_exempt() -> None:
    settings = Settings(max_connections=6, max_connections_by_address=2, trusted_proxies=["192.0.2.7"])
    open_connections = OpenConnections(settings)
    assert open_connections.enter("2001:db8::1", 10) is None
    assert open_connections.enter("2001:db8::ffff:2", 11) is None
    assert "BY_ADDRESS" in (open_connections.enter("2001:db8::3", 12) or "")  # the same /64
    assert open_connections.enter("2001:db8:0:1::1", 12) is None
    open_connections.leave("2001:db8::1")
    assert open_connections.enter("2001:db8::3", 10) is None
    for descriptor in (13, 14, 15):
        assert open_connections.enter("192.0.2.7", descriptor) is None
    assert "AQUILON_MAX_CONNECTIONS)" in (open_connections.enter("192.0.2.7", 16) or "")


def test_different_spellings_of_an_address_are_the_same_network() -> None:
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert network_of("2001:db8::1") == network_of("2001:DB8:0:0:1::%eth0")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    """``end_if_late`` gets the time as an argument, so the test needn't wait."""

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while state.connections:
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})

    loop, state = asyncio.get_running_loop(), ServerState()
    config = uvicorn.Config(endless, http="httptools", log_config=None, lifespan="off")
    protocol = partial(
        Connection, config=config, server_state=state, app_state={}, open_connections=OpenConnections(Settings())
    )
    server = await loop.create_server(protocol, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(HEAD + b"\r\n")
    await until(lambda: any(cast(Connection, connection).flow.write_paused for connection in state.connections))
    [connection] = [cast(Connection, connection) for connection in state.connections]
    connection.end_if_late(loop.time() + 60)
    assert not connection.transport.is_closing()
    connection.end_if_late(loop.time() + 600)
    await until(lambda: not state.connections)
    await asyncio.gather(*state.tasks, return_exceptions=True)
    writer.close()
    server.close()


def _is_healthy(server: RunningServer) -> bool:
    try:
        return httpx.get(f"{server.url}/health").status_code == 200
    except httpx.TransportError:
        return False
