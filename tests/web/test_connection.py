"""Packets on the wire: an answer's head comes together with its first bytes, and no head is held back."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server

MODEL = "smollm2-135m"
CHAT = "/v1/chat/completions"


@pytest.fixture
def wire(server: RunningServer) -> Iterator[socket.socket]:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        yield connection


def head(method: str, path: str, *more: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *more, "", ""]).encode()


def completion(server: RunningServer, *, stream: bool, more: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
    """A request's head and its body."""
    question = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, "stream": stream}
    body = json.dumps(question).encode()
    fields = (
        "content-type: application/json",
        f"authorization: Bearer {server.api_key}",
        f"content-length: {len(body)}",
    )
    return head("POST", CHAT, *fields, *more), body


@pytest.mark.parametrize("stream", [False, True])
def test_the_first_packet_has_the_head_and_the_first_bytes_of_the_body(
    server: RunningServer, wire: socket.socket, stream: bool
) -> None:
    wire.sendall(b"".join(completion(server, stream=stream)))
    first = wire.recv(65536)
    top, _, rest = first.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 200 ")
    assert b'"object":"chat.completion' in rest


def test_the_last_packet_of_a_stream_has_its_end(server: RunningServer, wire: socket.socket) -> None:
    wire.sendall(b"".join(completion(server, stream=True)))
    packet = b""
    while not packet.endswith(b"0\r\n\r\n"):
        packet = wire.recv(65536)
    assert b"data: [DONE]\n\n" in packet


def test_a_head_without_a_body_is_sent_and_the_connection_stays_open(wire: socket.socket) -> None:
    wire.sendall(head("HEAD", "/docs"))
    assert wire.recv(65536).startswith(b"HTTP/1.1 200 ")
    wire.sendall(head("GET", "/health") + head("GET", "/health"))
    answers = b""
    while answers.count(b"HTTP/1.1 200 ") < 2:
        answers += wire.recv(65536)


def test_a_head_is_sent_before_the_connection_is_closed(wire: socket.socket) -> None:
    wire.sendall(head("GET", "/health", "connection: close"))
    whole = b""
    while packet := wire.recv(65536):
        whole += packet
    assert whole.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_expects_100_continue_gets_it(server: RunningServer, wire: socket.socket) -> None:
    top, body = completion(server, stream=False, more=("expect: 100-continue",))
    wire.sendall(top)
    assert wire.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.sendall(body)
    assert wire.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("PUT", CHAT, 405), ("PATCH", CHAT, 405), ("POST", f"{CHAT}/", 307)]
)
def test_other_methods_and_paths_beside_a_direct_route_are_refused_as_usual(
    server: RunningServer, wire: socket.socket, method: str, path: str, status: int
) -> None:
    wire.sendall(head(method, path, "content-length: 0"))
    assert wire.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_reader_of_a_conversation_s_changes_does_not_hold_up_a_server_that_stops(tmp_path: Path) -> None:
    server = start_server(tmp_path / "home", environment={"AQUILON_MODELS": "none"})
    key = {"authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=key, timeout=20) as client:
        conversation = client.post("/v1/conversations", json={}).json()["id"]
        with client.stream("GET", f"/v1/conversations/{conversation}/events") as changes:
            lines = changes.iter_lines()
            assert next(lines) == "event: conversation.updated"
            server.process.terminate()
            assert "event: conversation.updated" not in list(lines)
    assert server.process.wait(15) == 0
    assert not [line for line in server.log.splitlines() if "level=error" in line]


def test_a_connection_made_just_before_the_server_stops_has_its_request_answered(tmp_path: Path) -> None:
    server = start_server(tmp_path / "home", environment={"AQUILON_MODELS": "none"})
    address = urlsplit(server.url)
    connections = [socket.create_connection((address.hostname, address.port), timeout=10) for _ in range(5)]
    server.process.terminate()
    wait_until(lambda: "Stopping" in (server.process.stdout.readline() if server.process.stdout else ""))
    threading.Event().wait(0.2)  # uvicorn checks ten times a second whether to end
    for connection in connections:
        with connection:
            connection.sendall(head("GET", "/health"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert server.process.wait(15) == 0
