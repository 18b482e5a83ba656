"""Bodies at and above the limits: they don't hold up other requests, and their refusals say the reason."""

from __future__ import annotations

import gzip
import json
import selectors
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.server import RunningServer

MODEL = "smollm2-135m"
CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


def request_bytes(server: RunningServer, path: str, body: bytes) -> bytes:
    fields = [
        f"POST {path} HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: Bearer {server.api_key}",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*fields, "", ""]).encode() + body


@pytest.mark.parametrize(
    "body",
    [
        {"model": MODEL, "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 9_000}]},
        {"model": MODEL, "messages": [{"role": "user", "content": [{"type": 1}] * 9_000}]},
        {"model": MODEL, "messages": [{"role": 1}] * 4_000},
    ],
    ids=["many parts", "many wrong parts", "many wrong messages"],
)
def test_other_requests_are_answered_while_a_large_body_is_parsed(server: RunningServer, body: dict[str, Any]) -> None:
    """The large body is sent first, and a probe that is sent after it is answered before it.

    Where the body held up the probe, that would be so never; on a busy machine it isn't so each time.
    """
    large_request = request_bytes(server, CHAT, json.dumps(body).encode())
    assert any(overtakes_it(server, large_request) for _ in range(5))


def overtakes_it(server: RunningServer, large_request: bytes) -> bool:
    """Whether a request is answered before this one, which is sent before it and is wrong."""
    address = urlsplit(server.url)
    with (
        socket.create_connection((address.hostname, address.port), timeout=60) as large,
        socket.create_connection((address.hostname, address.port), timeout=60) as probe,
        selectors.DefaultSelector() as ready,
    ):
        ready.register(large, selectors.EVENT_READ)
        ready.register(probe, selectors.EVENT_READ)
        large.sendall(large_request)
        probe.sendall(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        [(first, _), *_] = ready.select(60)
        assert large.recv(65536).startswith(b"HTTP/1.1 4")
        return first.fileobj is probe


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/detokenize", b'{"model":"m","tokens":[' + b"[]," * 100_000 + b"[]]}"),
        (CHAT, b'{"model":"m","messages":[' + b"[]," * 100_000 + b"[]]}"),
        (CHAT, b'{"model":"m",' + b",".join(b'"u%d":0' % number for number in range(100_000)) + b"}"),
        ("/detokenize", b'{"model":"m","tokens":[' + b"1," * 1_000_000 + b"1]}"),
    ],
    ids=["lists", "messages", "unknown fields", "token ids"],
)
def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(http: httpx.Client, path: str, body: bytes) -> None:
    answer = http.post(path, content=body, headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_many_values"


def test_of_very_many_wrong_entries_the_first_is_reported(http: httpx.Client) -> None:
    answer = http.post("/detokenize", json={"model": MODEL, "tokens": [0, "a", *["b"] * 100_000]})
    assert answer.status_code == 422
    assert [entry["loc"] for entry in answer.json()["detail"]] == [["body", "tokens", 1]]


def test_of_very_many_errors_some_are_reported(http: httpx.Client) -> None:
    early = http.post(CHAT, json={"model": MODEL, "messages": [{"content": 1}] * 1000})
    assert early.status_code == 400
    assert {tuple(entry["loc"][:2]) for entry in early.json()["detail"]} == {("body", "messages")}
    good = {"role": "user", "content": "x"}
    late = http.post(CHAT, json={"model": MODEL, "messages": [*[good] * 50, *[{"role": 1}] * 1000]})
    assert late.status_code == 400
    assert "1000 values of a wrong type" in late.json()["message"]


def test_a_hundred_thousand_token_ids_are_decoded(http: httpx.Client) -> None:
    [token] = http.post("/tokenize", json={"model": MODEL, "prompt": "a", "add_special_tokens": False}).json()["tokens"]
    answer = http.post("/detokenize", json={"model": MODEL, "tokens": [token] * 100_000})
    assert answer.json()["prompt"] == "a" * 100_000


def test_a_byte_order_mark_before_a_body_is_skipped(http: httpx.Client) -> None:
    """Programs on Windows write one, and RFC 8259 8.1 lets a reader skip it."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    assert http.post(CHAT, content=b"\xef\xbb\xbf" + json.dumps(body).encode(), headers=JSON).status_code == 200


@pytest.mark.parametrize("path", [CHAT, "/v1/files", "/v1/organization/limits"])
@pytest.mark.parametrize("compress", [gzip.compress, bytes])
def test_a_body_in_a_content_coding_is_refused_with_415(
    http: httpx.Client, path: str, compress: Callable[[bytes], bytes]
) -> None:
    for headers in ({}, {"idempotency-key": f"coded-{compress.__name__}"}):
        coded = {"content-encoding": "gzip", **JSON, **headers}
        answer = http.post(path, content=compress(b"{}"), headers=coded)
        assert answer.status_code == 415
        assert answer.headers["accept-encoding"] == "identity"
        assert answer.json()["error"]["code"] == "unsupported_content_encoding"


def test_the_content_coding_identity_is_allowed(http: httpx.Client) -> None:
    answer = http.post(CHAT, content=b"{}", headers={"content-encoding": "identity", **JSON})
    assert answer.status_code == 400
