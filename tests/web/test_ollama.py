"""Ollama's own client against the real server, and against a gateway whose upstream thinks and calls tools."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import ollama
import pytest
from tests.support.people import signed_in_owner
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection, ReceivedRequest
from tests.support.upstream_stand_ins import stand_in

MODEL = "smollm2-135m"
EMBEDS = "multilingual-e5-small"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
FEW = {"num_predict": 6, "temperature": 0}


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[ollama.Client]:
    with ollama.Client(host=server.url, headers={"authorization": f"Bearer {server.api_key}"}) as client:
        yield client


def usage_events(server: RunningServer) -> list[dict[str, Any]]:
    """Those of Ollama's API, the oldest first."""
    with sqlite3.connect(server.home / "aquilon.db") as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM usage_events WHERE request_id LIKE 'ollama%' ORDER BY rowid")
        return [dict(row) for row in rows]


def test_a_chat_is_answered_whole_and_in_lines_with_the_same_text(client: ollama.Client) -> None:
    whole = client.chat(MODEL, messages=QUESTION, options=FEW)
    *lines, last = client.chat(f"{MODEL}:latest", messages=QUESTION, options=FEW, stream=True)
    assert whole.message.content
    assert "".join(line.message.content or "" for line in lines) == whole.message.content
    assert not any(line.done for line in lines)
    for end in (whole, last):
        assert (end.model, end.done, end.done_reason, end.eval_count) == (MODEL, True, "length", 6)
        assert end.load_duration == 0
        assert 0 < (end.prompt_eval_duration or 0) < (end.total_duration or 0)
    assert whole.prompt_eval_count == last.prompt_eval_count


def test_a_body_without_a_content_type_is_read_and_streamed(http: httpx.Client) -> None:
    """As ``curl -d`` sends it in Ollama's documents."""
    body = json.dumps({"model": MODEL, "messages": QUESTION, "options": FEW})
    answer = http.post("/api/chat", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["done"] for line in answer.text.splitlines()][-2:] == [False, True]


def test_an_answer_has_the_schema_that_is_asked_for(client: ollama.Client) -> None:
    schema = {"type": "object", "properties": {"big": {"type": "boolean"}}, "required": ["big"]}
    whole = client.chat(MODEL, messages=QUESTION, format=schema, options={"temperature": 0})
    assert isinstance(json.loads(whole.message.content or "")["big"], bool)
    assert whole.done_reason == "stop"


def test_log_probabilities_come_with_their_line(client: ollama.Client) -> None:
    first, *_ = client.chat(MODEL, messages=QUESTION, options=FEW, stream=True, logprobs=True, top_logprobs=2)
    [token] = first.logprobs or []
    assert token.token == first.message.content
    assert token.token in [other.token for other in token.top_logprobs or ()]


def test_a_prompt_is_answered_and_a_raw_text_continued(client: ollama.Client) -> None:
    answered = client.generate(MODEL, "What is the capital of France?", options=FEW)
    assert answered.response == client.chat(MODEL, messages=QUESTION, options=FEW).message.content
    *lines, last = client.generate(MODEL, "The capital of France is", raw=True, options=FEW, stream=True)
    assert "Paris" in "".join(line.response or "" for line in lines)
    assert last.prompt_eval_count == 5


def test_without_a_prompt_nothing_is_generated(client: ollama.Client) -> None:
    assert client.generate(MODEL).done_reason == "load"
    unloaded = client.chat(MODEL, messages=[], keep_alive=0)
    assert (unloaded.done_reason, unloaded.message.content) == ("unload", "")
    assert [model.model for model in client.ps().models] == [MODEL], "this key doesn't operate the server"


def test_texts_become_vectors(client: ollama.Client) -> None:
    two = client.embed(EMBEDS, ["north", "south"], dimensions=8)
    assert [len(vector) for vector in two.embeddings] == [8, 8]
    assert (two.model, bool(two.prompt_eval_count)) == (EMBEDS, True)
    one = client.embed(f"{EMBEDS}:latest", "north").embeddings[0]
    assert client.embeddings(EMBEDS, "north").embedding == one
    assert client.embed(EMBEDS, []).embeddings == []


def test_models_are_described_as_clients_choose_them(client: ollama.Client, http: httpx.Client) -> None:
    listed = {model.model: model for model in client.list().models}
    assert set(listed) == {MODEL, EMBEDS}
    chat = listed[MODEL]
    assert chat.details is not None
    assert (chat.details.format, chat.details.family, chat.details.parameter_size) == ("gguf", "llama", "135M")
    assert chat.details.quantization_level == "Q4_1"
    assert len(chat.digest or "") == 64
    shown = client.show(f"{MODEL}:latest")
    assert shown.capabilities == ["completion", "tools"]
    assert shown.modelinfo is not None
    assert shown.modelinfo[f"{shown.modelinfo['general.architecture']}.context_length"] == 8192
    assert "<|im_start|>" in (shown.template or "")
    assert client.show(EMBEDS).capabilities == ["embedding"]
    [running] = client.ps().models
    assert (running.model, running.digest, running.context_length) == (MODEL, chat.digest, 8192)
    version = http.get("/api/version").json()["version"]
    assert [int(number) for number in version.split(".")] >= [0, 6, 4], "what VS Code requires"


def test_probes_are_answered(http: httpx.Client) -> None:
    assert http.head("/").status_code == 200
    assert http.head("/api/tags").status_code == 200
    assert http.head("/api/blobs/sha256:0").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/api/chat", {"model": "nobody", "messages": QUESTION}, 404, "'nobody' does not exist"),
        ("POST", "/api/chat", {"messages": QUESTION}, 400, "model"),
        ("POST", "/api/chat", {"model": MODEL, "messages": [{"role": "judge"}]}, 400, "messages.0.role"),
        ("POST", "/api/chat", {"model": MODEL, "messages": QUESTION, "format": "yaml"}, 400, "JSON schema"),
        ("POST", "/api/generate", {"model": MODEL, "prompt": "x", "suffix": "y"}, 400, "can't fill a gap"),
        ("POST", "/api/generate", {"model": MODEL, "prompt": "x", "images": ["?"]}, 400, "base64"),
        ("POST", "/api/embed", {"model": EMBEDS, "input": ["x", ""]}, 400, "empty"),
        ("POST", "/api/embed", {"model": EMBEDS, "input": "x " * 9000, "truncate": False}, 400, "8192"),
        ("POST", "/api/show", {}, 400, "'model'"),
        ("POST", "/api/copy", {"source": MODEL, "destination": "b"}, 400, "not supported"),
        ("POST", "/api/pull", {"model": "llama3.2"}, 403, "administration"),
        ("DELETE", "/api/delete", {"model": MODEL}, 403, "administration"),
        ("GET", "/api/nothing", None, 404, "/api/nothing"),
    ],
)
def test_errors_are_ollama_s(http: httpx.Client, method: str, path: str, body: Any, status: int, words: str) -> None:
    answer = http.request(method, path, json=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


def test_a_reader_that_leaves_in_mid_line_pays_for_what_was_generated(
    server: RunningServer, http: httpx.Client
) -> None:
    before = len(usage_events(server))
    body = {"model": MODEL, "messages": QUESTION, "options": {"seed": 1, "temperature": 1.5}}
    with http.stream("POST", "/api/chat", json=body) as answer:
        read = b""
        for data in answer.iter_raw(10):
            read += data
            if read.count(b"\n") >= 3 and not read.endswith(b"\n"):
                break
    wait_until(lambda: len(usage_events(server)) > before)
    last = usage_events(server)[-1]
    assert last["outcome"] == "cancelled"
    assert last["completion_tokens"] >= 3


@pytest.fixture(scope="module")
def received() -> list[ReceivedRequest]:
    """The requests that the upstream received."""
    return []


@pytest.fixture(scope="module")
def upstream(received: list[ReceivedRequest]) -> Iterator[str]:
    async def script(connection: Connection) -> None:
        received.append(connection.request)
        await connection.begin()
        if connection.request.json["messages"][-1]["role"] == "tool":
            await connection.say("", reasoning_content="Now I know. ")
            await connection.say("It is ", "sunny.")
            await connection.finish(usage={"prompt_tokens": 30, "completion_tokens": 9})
        else:
            await connection.say("", reasoning_content="I must look. ")
            parts = ('{"city": ', '"Paris"}')
            head = {"index": 0, "id": "up-1", "function": {"name": "weather", "arguments": parts[0]}}
            await connection.say("", tool_calls=[head])
            await connection.say("", tool_calls=[{"index": 0, "function": {"arguments": parts[1]}}])
            await connection.finish("tool_calls", usage={"prompt_tokens": 20, "completion_tokens": 7})
        await connection.end()

    with stand_in(script) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[RunningServer]:
    """A gateway that is open to programs on this machine."""
    environment = {"AQUILON_MODELS": "none", "AQUILON_OLLAMA_OPEN": "true"}
    running = start_server(tmp_path_factory.mktemp("gateway"), environment=environment)
    with closing(signed_in_owner(running)) as owner:
        can = ["chat", "function_calling", "vision", "reasoning"]
        models = [{"name": "thinker", "capabilities": can, "max_context": 4096}]
        added = owner.post("/v1/server/upstreams", json={"name": "far", "base_url": upstream, "models": models})
        assert added.status_code == 200, added.text
    yield running
    running.stop()


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_s_result_goes_back_to_a_model_that_thinks(
    gateway: RunningServer, received: list[ReceivedRequest], stream: bool
) -> None:
    with ollama.Client(host=gateway.url) as client:

        def ask(messages: list[Any]) -> ollama.Message:
            answer = client.chat("thinker", messages=messages, tools=[TOOL], think=True, stream=stream)
            lines = list(answer) if stream else [answer]
            assert (lines[-1].done, lines[-1].done_reason) == (True, "stop")
            return ollama.Message(
                role="assistant",
                content="".join(line.message.content or "" for line in lines),
                thinking="".join(line.message.thinking or "" for line in lines),
                tool_calls=[call for line in lines for call in line.message.tool_calls or ()],
            )

        conversation: list[Any] = [{"role": "user", "content": "The weather in Paris?"}]
        called = ask(conversation)
        [call] = called.tool_calls or []
        assert (call.function.name, call.function.arguments) == ("weather", {"city": "Paris"})
        assert called.thinking == "I must look. "
        result = {"role": "tool", "content": "sunny", "tool_name": "weather"}
        told = ask([*conversation, called, result])
    assert (told.thinking, told.content) == ("Now I know. ", "It is sunny.")
    _, assistant, tool = received[-1].json["messages"]
    assert assistant["tool_calls"][0]["id"] == tool["tool_call_id"]
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}


def test_a_model_elsewhere_is_asked_not_to_think(gateway: RunningServer, received: list[ReceivedRequest]) -> None:
    with ollama.Client(host=gateway.url) as client:
        client.chat("thinker", messages=QUESTION, think=False)
        client.generate("thinker", "Hello", think=False)
    assert [asked.json["reasoning_effort"] for asked in received[-2:]] == ["none", "none"]


def test_an_image_goes_to_a_model_that_sees(gateway: RunningServer, received: list[ReceivedRequest]) -> None:
    with ollama.Client(host=gateway.url) as client:
        picture = b"\x89PNG\r\n\x1a\n and pixels"
        client.chat("thinker", messages=[{"role": "user", "content": "See", "images": [picture]}])
        client.generate("thinker", "See", images=[picture])
    for asked in received[-2:]:
        [text, image] = asked.json["messages"][-1]["content"]
        assert (text["text"], image["image_url"]["url"][:22]) == ("See", "data:image/png;base64,")


def test_an_open_server_answers_programs_on_its_machine_without_a_key(gateway: RunningServer) -> None:
    with ollama.Client(host=gateway.url) as client:
        assert [model.model for model in client.list().models if model.model == "thinker"]
        client.chat("thinker", messages=QUESTION)
    last = usage_events(gateway)[-1]
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {gateway.api_key}"}) as first:
        first.post("/api/chat", json={"model": "thinker", "messages": QUESTION})
    owner = usage_events(gateway)[-1]
    assert (last["user_id"], last["workspace_id"]) == (owner["user_id"], owner["workspace_id"])
    assert (last["api_key_id"], bool(owner["api_key_id"])) == (None, True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"authorization": "Bearer aq-wrong"}, 401),
        ({"x-forwarded-for": "192.0.2.7"}, 401),
        ({"forwarded": "for=127.0.0.1"}, 401),
        ({"host": "evil.example"}, 421),
        ({"origin": "https://evil.example"}, 401),
        ({"origin": "null"}, 401),
        ({"sec-fetch-site": "cross-site"}, 401),
    ],
)
def test_nobody_but_a_program_on_the_machine_needs_no_key(
    gateway: RunningServer, headers: dict[str, str], status: int
) -> None:
    body = {"model": "thinker", "messages": QUESTION, "stream": False}
    assert httpx.post(f"{gateway.url}/api/chat", json=body, headers=headers).status_code == status


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/pull"), ("DELETE", "/api/delete"), ("GET", "/v1/models")])
def test_an_open_server_needs_a_key_for_everything_else(gateway: RunningServer, method: str, path: str) -> None:
    answer = httpx.request(method, gateway.url + path, json={"model": "thinker"})
    assert answer.status_code == 401


def test_a_server_is_closed_unless_its_operator_opens_it(server: RunningServer) -> None:
    for path in ("tags", "ps", "version"):
        assert httpx.get(f"{server.url}/api/{path}").status_code == 401
    assert httpx.post(f"{server.url}/api/chat", json={"model": MODEL, "messages": QUESTION}).status_code == 401
