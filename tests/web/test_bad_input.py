"""Invalid requests: each is refused soon with a clear 4xx in both clients' shape, and the server goes on."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.server import RunningServer
from tests.support.vocabulary_files import read_tokenizer_metadata
from tests.support.work import work, work_of

from aquilon.text.model import TextModel

MODEL = "smollm2-135m"
USER = {"role": "user", "content": "hi"}
CHAT = "/v1/chat/completions"
COMPLETION = "/v1/completions"


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [USER], "max_tokens": 1} | fields


def tool(name: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters or {}}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


def completion(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": "hi", "max_tokens": 1} | fields


@pytest.fixture(scope="module")
def http(http: httpx.Client) -> httpx.Client:
    """Speaks as Mistral's client, for which a wrong field has a status of its own."""
    http.headers["user-agent"] = "mistral-client-python/3.7.0"
    return http


def assert_error(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The shape of every error: flat and nested; ``detail`` only with 422, ``limit`` if one was reached."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    body: dict[str, Any] = answer.json()
    assert body["object"] == "error"
    assert body["message"]
    known = ("message", "type", "param", "code", "limit", "values")
    assert body["error"] == {key: body[key] for key in known if key in body}
    assert ("detail" in body) == (status == 422)
    for entry in body.get("detail", []):
        assert set(entry) - {"code", "values"} == {"loc", "msg", "type"}
        assert entry["loc"][0] == "body"
    return body


BAD_FIELDS = {
    "no messages": (CHAT, chat(messages=[]), 422),
    "messages missing": (CHAT, {"model": MODEL}, 422),
    "model missing": (CHAT, {"messages": [USER]}, 422),
    "messages is text": (CHAT, chat(messages="hi"), 422),
    "a message is text": (CHAT, chat(messages=["hi"]), 422),
    "an invented role": (CHAT, chat(messages=[{"role": "king", "content": "hi"}]), 422),
    "no role": (CHAT, chat(messages=[{"content": "hi"}]), 422),
    "no content": (CHAT, chat(messages=[{"role": "user"}]), 400),
    "content is a number": (CHAT, chat(messages=[{"role": "user", "content": 3}]), 422),
    "an image": (CHAT, chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]), 400),
    "a text part without text": (CHAT, chat(messages=[{"role": "user", "content": [{"type": "text"}]}]), 400),
    "the assistant last, as Mistral refuses it": (
        CHAT,
        chat(messages=[USER, {"role": "assistant", "content": "hello", "prefix": False}]),
        400,
    ),
    "calls last": (
        CHAT,
        chat(messages=[USER, {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]}]),
        400,
    ),
    "an empty prefix": (CHAT, chat(messages=[USER, {"role": "assistant", "content": "", "prefix": True}]), 400),
    "too many messages": (CHAT, chat(messages=[USER] * 5000), 422),
    "temperature below": (CHAT, chat(temperature=-0.1), 422),
    "temperature above": (CHAT, chat(temperature=2.1), 422),
    "temperature as text": (CHAT, chat(temperature="0.5"), 422),
    "top_p below": (CHAT, chat(top_p=-0.1), 422),
    "top_p above": (CHAT, chat(top_p=1.1), 422),
    "top_k below": (CHAT, chat(top_k=-2), 422),
    "min_p above": (CHAT, chat(min_p=1.5), 422),
    "presence_penalty": (CHAT, chat(presence_penalty=3), 422),
    "frequency_penalty": (CHAT, chat(frequency_penalty=-3), 422),
    "repetition_penalty": (CHAT, chat(repetition_penalty=0), 422),
    "max_tokens negative": (CHAT, chat(max_tokens=-1), 422),
    "max_tokens huge": (CHAT, chat(max_tokens=10**30), 422),
    "max_tokens past the context": (CHAT, chat(max_tokens=2**31 - 1), 400),
    "max_tokens is a fraction": (CHAT, chat(max_tokens=1.5), 422),
    "max_tokens is true": (CHAT, chat(max_tokens=True), 422),
    "min_tokens over max_tokens": (CHAT, chat(min_tokens=5, max_tokens=2), 400),
    "seed huge": (CHAT, chat(seed=2**70), 422),
    "n zero": (CHAT, chat(n=0), 422),
    "n huge": (CHAT, chat(n=10**9), 422),
    "too many stops": (CHAT, chat(stop=["x"] * 1000), 422),
    "an empty stop": (CHAT, chat(stop=""), 422),
    "a stop that is a number": (CHAT, chat(stop=[1]), 422),
    "a long stop": (CHAT, chat(stop="x" * 100_000), 422),
    "logit_bias for a word": (CHAT, chat(logit_bias={"word": 1}), 422),
    "logit_bias past the vocabulary": (CHAT, chat(logit_bias={"9999999": 1}), 400),
    "logit_bias too strong": (CHAT, chat(logit_bias={"1": 1000}), 422),
    "too many biases": (CHAT, chat(logit_bias={str(token_id): 1 for token_id in range(5000)}), 422),
    "stop token past the vocabulary": (CHAT, chat(stop_token_ids=[9_999_999]), 400),
    "top_logprobs alone": (CHAT, chat(top_logprobs=3), 400),
    "top_logprobs above": (CHAT, chat(logprobs=True, top_logprobs=21), 422),
    "a tool without a name": (CHAT, chat(tools=[{"type": "function", "function": {}}]), 422),
    "a tool with a name of spaces": (CHAT, chat(tools=[tool("a b")]), 422),
    "a tool whose parameters are not an object": (CHAT, chat(tools=[tool("f", {"type": "string"})]), 400),
    "a tool choice without a name": (CHAT, chat(tools=[tool("f")], tool_choice={"type": "function", "name": "f"}), 400),
    "too many tools": (CHAT, chat(tools=[tool(f"f{number}") for number in range(200)]), 422),
    "a tool nested deep": (CHAT, chat(tools=[tool("f", nested(300))]), 400),
    "a response's tool nested deep": (
        "/v1/responses",
        {
            "model": MODEL,
            "input": "hi",
            "tools": [tool("f")["function"] | {"type": "function", "parameters": nested(300)}],
        },
        400,
    ),
    "an unknown tool choice": (CHAT, chat(tools=[tool("f")], tool_choice="perhaps"), 422),
    "a tool choice by another name": (CHAT, chat(tools=[tool("f")], tool_choice={"function": {"name": "g"}}), 400),
    "a schema that is missing": (CHAT, chat(response_format={"type": "json_schema", "json_schema": {}}), 400),
    "a schema nested deep": (CHAT, chat(guided_json=nested(300)), 400),
    "a schema nested 50000 deep": (CHAT, chat(guided_json='{"items":' * 50_000), 400),
    "no choice": (CHAT, chat(guided_choice=[]), 422),
    "two formats": (CHAT, chat(guided_choice=["a", "b"], guided_regex="a"), 400),
    "stream is text": (CHAT, chat(stream="yes"), 422),
    "model is a number": (CHAT, chat(model=3), 422),
    "model unknown": (CHAT, chat(model="../../etc/passwd"), 404),
    "model empty": (CHAT, chat(model=""), 422),
    "prompt missing": (COMPLETION, {"model": MODEL}, 422),
    "prompt empty": (COMPLETION, completion(prompt=""), 400),
    "no prompts": (COMPLETION, completion(prompt=[]), 422),
    "no tokens": (COMPLETION, completion(prompt=[[]]), 422),
    "an unknown token": (COMPLETION, completion(prompt=[1, 9_999_999]), 400),
    "a negative token": (COMPLETION, completion(prompt=[-1]), 422),
    "mixed prompts": (COMPLETION, completion(prompt=["a", 1]), 422),
    "too many prompts": (COMPLETION, completion(prompt=["a"] * 300), 422),
    "too many sequences": (COMPLETION, completion(prompt=["a"] * 100, n=16), 400),
    "suffix": (COMPLETION, completion(suffix="x"), 400),
    "best_of": (COMPLETION, completion(best_of=3), 400),
    "logprobs above": (COMPLETION, completion(logprobs=21), 422),
    "an overfull prompt": (COMPLETION, completion(prompt=[5] * 9000), 400),
    "tokenize nothing": ("/tokenize", {"model": MODEL}, 400),
    "tokenize both": ("/tokenize", {"model": MODEL, "prompt": "a", "messages": [USER]}, 400),
    "tokenize a book": ("/tokenize", {"model": MODEL, "prompt": "a" * 1_000_001}, 400),
    "detokenize an unknown token": ("/detokenize", {"model": MODEL, "tokens": [9_999_999]}, 400),
    "detokenize text": ("/detokenize", {"model": MODEL, "tokens": "hi"}, 422),
    "a list in place of an object": (CHAT, [1, 2], 422),
}


@pytest.mark.parametrize("case", BAD_FIELDS, ids=str)
def test_a_wrong_field_is_refused_with_the_reason(http: httpx.Client, case: str) -> None:
    path, body, status = BAD_FIELDS[case]
    assert_error(http.post(path, json=body), status)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (chat(stop=[""]), "stop.0: String should have at least 1 character"),
        (chat(stop=3), "stop: Input should be a valid string"),
        (completion(prompt=["a", 1]), "prompt.1: Input should be a valid string"),
        (completion(prompt=[3, -1]), "prompt.1: Input should be greater than or equal to 0"),
        (chat(n=0, seed="x"), "seed: Input should be a valid integer (and 1 more)"),
        (
            chat(logit_bias={"word": 1}),
            "logit_bias: 'word' is not a token id: a token id is a number of at most 10 digits",
        ),
    ],
)
def test_the_error_for_a_union_is_that_of_the_nearest_type(
    http: httpx.Client, body: dict[str, Any], message: str
) -> None:
    """A field of several types refuses with the error of the type that the value is nearest to."""
    refused = assert_error(http.post(COMPLETION if "prompt" in body else CHAT, json=body), 422)
    assert refused["message"] == message
    assert refused["param"] == message.partition(":")[0]


BAD_BODIES = {
    "nothing": (b"", 400),
    "not JSON": (b"messages=hi", 400),
    "cut short": (b'{"model": "smollm2', 400),
    "invalid UTF-8": (b'{"model": "smollm2-135m\xff\xfe"}', 400),
    "half a surrogate pair": (b'{"model": "\\ud800", "messages": []}', 400),
    "not a number": (b'{"temperature": NaN}', 400),
    "infinity": (b'{"temperature": 1e999}', 400),
    "a long number": (b'{"max_tokens": ' + b"9" * 10_000 + b"}", 400),
    "deep": (b"[" * 20_000, 400),
    "deep and too much": (b"[" * 100_000, 413),
    "deep and closed": (b'{"messages":' + b"[" * 900 + b"]" * 900 + b"}", 422),
    "null": (b"null", 422),
    "double braces": (b"{{}}", 400),
}


@pytest.mark.parametrize("case", BAD_BODIES, ids=str)
def test_an_invalid_body_is_refused(http: httpx.Client, case: str) -> None:
    content, status = BAD_BODIES[case]
    assert_error(http.post(CHAT, content=content, headers={"content-type": "application/json"}), status)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_only_json_is_read(http: httpx.Client, kind: str) -> None:
    body = assert_error(http.post(CHAT, content=json.dumps(chat()), headers={"content-type": kind}), 415)
    assert "application/json" in body["message"]


def test_a_large_body_is_refused_before_it_has_arrived(server: RunningServer) -> None:
    """The head announces ten megabytes: the answer comes after the first kilobyte."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = (
            f"POST {CHAT} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {server.api_key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {10 * 2**20}\r\n\r\n"
        )
        connection.sendall(head.encode() + b"[" * 1000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_large_body_of_unknown_length_is_refused_at_the_limit(http: httpx.Client, server: RunningServer) -> None:
    before = resident_bytes(server.pid)

    def endless() -> Any:
        yield b'{"model": "'
        for _ in range(20):
            yield b"x" * 2**20

    assert_error(http.post(CHAT, content=endless(), headers={"content-type": "application/json"}), 413)
    assert resident_bytes(server.pid) - before < 40 * 2**20


def test_a_long_text_is_refused_without_being_encoded(
    http: httpx.Client, server: RunningServer, default_model_file: Path
) -> None:
    text = "word " * 1_500_000
    asked = chat(messages=[{"role": "user", "content": text}])
    body = assert_error(http.post(CHAT, json=asked), 400)
    assert body["code"] == "context_length_exceeded"
    assert "8192" in body["message"]
    encode = TextModel.from_gguf(read_tokenizer_metadata(default_model_file)).tokenizer.encode
    assert work_of(server.pid, lambda: http.post(CHAT, json=asked)) < work(lambda: encode(text), 1) / 2


def test_an_invalid_key_is_refused(server: RunningServer) -> None:
    wrong = ["Bearer", "Basic YTpi", "aq-" + "a" * 43, "Bearer aq-" + "a" * 43, "Bearer " + "x" * 5000, "é"]
    for authorization in wrong:
        answer = httpx.post(
            f"{server.url}{CHAT}", json=chat(), headers={"authorization": authorization.encode("latin-1")}
        )
        assert assert_error(answer, 401)["type"] == "authentication_error"
        assert answer.headers["www-authenticate"] == "Bearer"


def test_unknown_paths_and_methods_answer_in_the_same_shape(http: httpx.Client) -> None:
    assert_error(http.post("/v1/nothing", json={}), 404)
    assert_error(http.get("/v1/nothing"), 404)
    assert_error(http.put(CHAT), 405)
    assert_error(http.delete(CHAT), 405)
    assert_error(http.get("/v1/models/%00"), 404)
    assert_error(http.get("/../../../../etc/passwd"), 404)
    assert_error(http.get("/assets/%2e%2e/%2e%2e/app.py"), 404)


def test_the_server_still_answers_afterwards(http: httpx.Client) -> None:
    assert http.get("/ready").status_code == 200
    assert http.post(CHAT, json=chat()).status_code == 200


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
