"""A gateway with real upstreams, another Aquilon and llama.cpp: answers, administration, secrets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import xllamacpp
from anthropic import Anthropic
from openai import APIStatusError, BadRequestError, OpenAI
from tests.support.commands import run_aquilon
from tests.support.database_file import database_bytes
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection
from tests.support.upstream_stand_ins import stand_in

MODEL = "smollm2-135m"
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
TOOL: list[Any] = [
    {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("gateway"), environment={"AQUILON_MODELS": "none"})
    yield running
    running.stop()


def cli(gateway: RunningServer, *arguments: str, code: int = 0, **environment: str) -> str:
    done = run_aquilon(gateway.home, *arguments, environment=environment)
    assert done.code == code, done.err
    return done.out + done.err


@pytest.fixture(scope="module")
def operator(gateway: RunningServer) -> Iterator[httpx.Client]:
    key = cli(gateway, "keys", "create", "--name", "operator", "--scope", "administration").strip()
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def client(gateway: RunningServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.api_key, max_retries=0) as openai:
        yield openai


@pytest.fixture(scope="module")
def aquilon(gateway: RunningServer, operator: httpx.Client, server: RunningServer) -> str:
    """The name of the other Aquilon's model at the gateway."""
    body = {
        "name": "other",
        "kind": "aquilon",
        "base_url": server.url,
        "api_key": server.api_key,
        "models": [
            {"name": "far", "remote": MODEL, "capabilities": ["chat", "completions", "function_calling"]},
        ],
    }
    created = operator.post("/v1/server/upstreams", json=body)
    assert created.status_code == 200, created.text
    assert server.api_key not in created.text
    assert (created.json()["has_key"], created.json()["private"], created.json()["models"][0]["state"]) == (
        True,
        True,
        "closed",
    )
    return "far"


class TestAquilon:
    def test_the_gateway_s_answer_equals_the_upstream_s(
        self, server: RunningServer, client: OpenAI, openai_client: OpenAI, aquilon: str
    ) -> None:
        here = client.chat.completions.create(model=aquilon, messages=QUESTION, temperature=0, max_tokens=20)
        there = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=20)
        assert here.choices[0].message.content == there.choices[0].message.content
        assert "Paris" in (here.choices[0].message.content or "")
        assert here.usage is not None
        assert there.usage is not None
        assert here.usage.prompt_tokens == there.usage.prompt_tokens
        assert here.usage.completion_tokens == there.usage.completion_tokens
        assert here.model == aquilon

    def test_a_stream_with_log_probabilities_is_passed_through(
        self, gateway: RunningServer, client: OpenAI, aquilon: str
    ) -> None:
        stream = client.chat.completions.create(
            model=aquilon,
            messages=QUESTION,
            temperature=0,
            max_tokens=5,
            stream=True,
            logprobs=True,
            top_logprobs=2,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        tokens = [token for chunk in chunks if chunk.choices for token in _tokens(chunk.choices[0])]
        assert len(tokens) == 5
        assert all(len(token.top_logprobs) == 2 for token in tokens)
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 5
        with sqlite3.connect(gateway.home / "aquilon.db") as database:
            row = database.execute(
                "SELECT model, completion_tokens, outcome FROM usage_events WHERE request_id = ?", (chunks[0].id,)
            ).fetchone()
        assert row == (aquilon, 5, "completed")

    def test_a_forced_tool_call_is_returned(self, client: OpenAI, aquilon: str) -> None:
        answer = client.chat.completions.create(
            model=aquilon,
            messages=QUESTION,
            tools=TOOL,
            tool_choice="required",
            parallel_tool_calls=False,
            max_tokens=60,
            temperature=0,
        )
        [call] = answer.choices[0].message.tool_calls or []
        assert call.type == "function"
        assert call.function.name == "look"
        json.loads(call.function.arguments)
        assert answer.choices[0].finish_reason == "tool_calls"

    def test_text_is_continued(self, client: OpenAI, openai_client: OpenAI, aquilon: str) -> None:
        body: dict[str, Any] = {"prompt": "Once upon a time", "max_tokens": 10, "temperature": 0}
        here = client.completions.create(model=aquilon, **body)
        assert here.choices[0].text == openai_client.completions.create(model=MODEL, **body).choices[0].text

    def test_an_upstream_s_model_is_listed_but_can_t_tokenize(
        self, gateway: RunningServer, client: OpenAI, aquilon: str
    ) -> None:
        [card] = [model for model in client.models.list() if model.id == aquilon]
        assert card.owned_by == "other"
        headers = {"authorization": f"Bearer {gateway.api_key}"}
        refused = httpx.post(f"{gateway.url}/tokenize", json={"model": aquilon, "prompt": "x"}, headers=headers)
        assert refused.status_code in (400, 404)

    def test_the_upstream_s_message_for_a_client_s_mistake_is_passed_on(self, client: OpenAI, aquilon: str) -> None:
        with pytest.raises(BadRequestError, match="min_tokens is 9, more than max_tokens, 5"):
            client.chat.completions.create(model=aquilon, messages=QUESTION, max_tokens=5, extra_body={"min_tokens": 9})


@pytest.fixture(scope="module")
def llama(gateway: RunningServer, default_model_file: Path) -> Iterator[str]:
    """llama.cpp's address; its model is ``llama`` at the gateway."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(default_model_file)
    parameters.n_ctx = 1024
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.warmup = False
    parameters.verbosity = -1
    running = xllamacpp.Server(parameters)
    address: str = running.listening_address
    printed = cli(gateway, "upstreams", "add", "llama", f"{address}/v1", "--model", "llama=any", "--can", "chat")
    assert "llama provides llama" in printed
    key = {"authorization": f"Bearer {gateway.api_key}"}
    wait_until(lambda: httpx.get(f"{gateway.url}/v1/models/llama", headers=key).status_code == 200)
    yield address
    cli(gateway, "upstreams", "remove", "llama")


@pytest.fixture(scope="module")
def messages(operator: httpx.Client, server: RunningServer) -> str:
    """The name at the gateway of the other Aquilon's model, asked in Anthropic's dialect."""
    model = {"name": "said", "remote": MODEL, "max_context": 8192}
    body = {"name": "spoken", "kind": "anthropic", "base_url": server.url, "api_key": server.api_key}
    created = operator.post("/v1/server/upstreams", json=body | {"models": [model]})
    assert created.status_code == 200, created.text
    assert created.json()["kind"] == "anthropic"
    checked = operator.post(f"/v1/server/upstreams/{created.json()['id']}/check").json()
    assert (checked["problem"], [model["name"] for model in checked["models"]]) == ("", [MODEL])
    return "said"


class TestAnthropic:
    def test_the_gateway_s_answer_equals_the_upstream_s(
        self, client: OpenAI, openai_client: OpenAI, messages: str
    ) -> None:
        here = client.chat.completions.create(model=messages, messages=QUESTION, temperature=0, max_tokens=20)
        there = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=20)
        assert here.choices == there.choices
        assert here.usage is not None
        assert there.usage is not None
        assert here.usage.prompt_tokens == there.usage.prompt_tokens
        assert (here.usage.completion_tokens, here.model) == (there.usage.completion_tokens, messages)

    def test_a_forced_tool_call_is_returned(self, client: OpenAI, messages: str) -> None:
        answer = client.chat.completions.create(
            model=messages, messages=QUESTION, tools=TOOL, tool_choice="required", max_tokens=60
        )
        [call] = answer.choices[0].message.tool_calls or []
        assert answer.choices[0].finish_reason == "tool_calls"
        assert call.type == "function"
        assert (call.function.name, json.loads(call.function.arguments)) == ("look", {})

    def test_anthropic_s_client_is_told_the_stop_sequence_through_both_servers(
        self, gateway: RunningServer, messages: str
    ) -> None:
        with Anthropic(base_url=gateway.url, api_key=gateway.api_key, max_retries=0) as client:
            fields: Any = {"model": messages, "messages": QUESTION, "extra_body": {"temperature": 0}}
            with client.messages.stream(**fields, max_tokens=20, stop_sequences=["Paris"]) as stream:
                message = stream.get_final_message()
        assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "Paris")
        assert message.usage.output_tokens > 0

    def test_anthropic_s_client_reads_thoughts_and_parallel_calls_of_a_reasoning_model(
        self, gateway: RunningServer, operator: httpx.Client
    ) -> None:
        model = {"name": "thinker", "capabilities": ["chat", "function_calling", "reasoning"]}
        tool: Any = {"name": "look", "input_schema": {"type": "object"}}
        with stand_in(thinker) as url:
            body = {"name": "reasoning", "base_url": f"{url}/v1", "models": [model]}
            assert operator.post("/v1/server/upstreams", json=body).status_code == 200
            with Anthropic(base_url=gateway.url, api_key=gateway.api_key, max_retries=0) as client:
                fields: Any = {"model": "thinker", "max_tokens": 100, "messages": QUESTION, "tools": [tool]}
                whole = client.messages.create(**fields)
                with client.messages.stream(**fields) as stream:
                    types = {event.type for event in stream}
                    streamed = stream.get_final_message()
        assert [block.type for block in whole.content] == ["thinking", "text", "tool_use", "tool_use"]
        calls = [(block.id, block.input) for block in whole.content if block.type == "tool_use"]
        assert calls == [("a", {"at": "Paris"}), ("b", {})]
        assert (whole.stop_reason, whole.usage.output_tokens) == ("tool_use", 9)
        assert streamed.to_dict()["content"] == whole.to_dict()["content"]
        assert {"thinking", "signature", "text", "input_json"} <= types


async def thinker(connection: Connection) -> None:
    """Streams thoughts, a text and two calls, which grow side by side."""

    def call(index: int, arguments: str, **first: str) -> dict[str, Any]:
        function = {"arguments": arguments} | ({"name": "look"} if first else {})
        return {"content": None, "tool_calls": [{"index": index, "function": function} | first]}

    await connection.begin()
    for delta in (
        {"reasoning_content": "Where is"},
        {"reasoning_content": " it?"},
        {"content": "I look."},
        *(call(0, '{"at":', id="a"), call(1, "", id="b"), call(0, '"Paris"}')),
    ):
        await connection.chunk({"choices": [{"index": 0, "delta": delta}]})
    await connection.finish("tool_calls", usage={"prompt_tokens": 9, "completion_tokens": 9})
    await connection.end()


class TestLlamaCpp:
    def test_llama_cpp_answers_and_is_metered(self, client: OpenAI, llama: str) -> None:
        body: dict[str, Any] = {"messages": QUESTION, "temperature": 0, "max_tokens": 10}
        there = httpx.post(f"{llama}/v1/chat/completions", json=body, timeout=60).json()
        answer = client.chat.completions.create(model="llama", **body)
        assert answer.choices[0].message.content == there["choices"][0]["message"]["content"]
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == there["usage"]["prompt_tokens"]
        assert answer.usage.completion_tokens == there["usage"]["completion_tokens"]
        stream = client.chat.completions.create(model="llama", stream=True, **body)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert text == answer.choices[0].message.content


class TestFallback:
    def test_a_fallback_answers_for_an_unreachable_model(
        self, operator: httpx.Client, client: OpenAI, aquilon: str
    ) -> None:
        operator.post(
            "/v1/server/upstreams",
            json={
                "name": "gone",
                "base_url": "http://127.0.0.1:9/v1",
                "models": [{"name": "unreliable"}],
                "timeouts": {"connect": 1},
            },
        ).raise_for_status()
        with pytest.raises(APIStatusError, match="can't be reached") as caught:
            client.chat.completions.create(model="unreliable", messages=QUESTION, max_tokens=5)
        assert "127.0.0.1" not in str(caught.value)
        chain = operator.put("/v1/server/fallbacks/unreliable", json={"models": ["nobody", aquilon]})
        assert chain.json()["models"] == ["nobody", aquilon]
        answer = client.chat.completions.create(model="unreliable", messages=QUESTION, max_tokens=20, temperature=0)
        assert "Paris" in (answer.choices[0].message.content or "")
        assert answer.model == aquilon  # the model that answered; "unreliable" is billed


class TestOperator:
    def test_a_check_lists_the_models_or_the_problem(
        self, operator: httpx.Client, server: RunningServer, aquilon: str
    ) -> None:
        [other] = [
            upstream for upstream in operator.get("/v1/server/upstreams").json()["data"] if upstream["name"] == "other"
        ]
        checked = operator.post(f"/v1/server/upstreams/{other['id']}/check").json()
        assert checked["ok"], checked
        assert MODEL in [model["name"] for model in checked["models"]]
        denied = operator.post(
            "/v1/server/upstreams", json={"name": "denied", "base_url": f"{server.url}/v1", "api_key": "wrong"}
        ).json()
        checked = operator.post(f"/v1/server/upstreams/{denied['id']}/check").json()
        assert not checked["ok"]
        assert "refuses the key" in checked["problem"]
        changed = operator.post(f"/v1/server/upstreams/{denied['id']}", json={"api_key": server.api_key}).json()
        assert changed["base_url"] == denied["base_url"]
        assert operator.post(f"/v1/server/upstreams/{denied['id']}/check").json()["ok"]
        assert operator.delete(f"/v1/server/upstreams/{denied['id']}").json()["deleted"]
        assert operator.get(f"/v1/server/upstreams/{denied['id']}").status_code == 404

    def test_secrets_are_never_shown_logged_or_stored_in_the_clear(
        self, gateway: RunningServer, operator: httpx.Client, server: RunningServer, aquilon: str
    ) -> None:
        seen = operator.get("/v1/server/upstreams").text + operator.get("/v1/organization/audit_logs").text
        seen += cli(gateway, "upstreams", "list", "--json") + gateway.log
        stored = database_bytes(gateway.home)
        assert server.api_key not in seen
        assert server.api_key.encode() not in stored
        assert "upstream.created" in seen

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"base_url": "ftp://x/v1"}, "not a base URL"),
            ({"base_url": "http://user:pass@x/v1"}, "no user or password"),
            ({"base_url": "http://169.254.169.254/v1"}, "no address of a server"),
            ({"base_url": "https://x/v1?a=b"}, "ends before '?'"),
            ({"base_url": "https://x.openai.azure.com", "kind": "azure"}, "needs an api_version"),
            ({"base_url": "https://x/v1", "headers": {"host": "y"}}, "not a header that can be added"),
            ({"base_url": "https://x/v1", "api_key": "a b"}, "without spaces"),
            ({"base_url": "https://x/v1", "models": [{"name": "m"}, {"name": "m"}]}, "twice"),
            ({"base_url": "https://x/v1", "name": "other"}, "already"),
        ],
    )
    def test_an_invalid_upstream_is_refused_with_the_reason(
        self, operator: httpx.Client, aquilon: str, body: dict[str, Any], words: str
    ) -> None:
        refused = operator.post("/v1/server/upstreams", json={"name": "new"} | body)
        assert refused.status_code == 400
        assert words in refused.json()["error"]["message"]

    def test_only_the_operator_sees_and_changes_upstreams(self, gateway: RunningServer, operator: httpx.Client) -> None:
        with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {gateway.api_key}"}) as other:
            assert other.get("/v1/server/upstreams").status_code == 403
            body = {"name": "mine", "base_url": "https://x/v1"}
            assert other.post("/v1/server/upstreams", json=body).status_code == 403
            assert other.post("/v1/server/upstreams/other/check").status_code == 403
            assert other.put("/v1/server/fallbacks/x", json={"models": []}).status_code == 403

    def test_the_command_line_reports_problems_and_exits_with_1(self, gateway: RunningServer) -> None:
        cli(gateway, "upstreams", "add", "nowhere", "http://127.0.0.1:9/v1", "--model", "x", "--context", "10")
        printed = cli(gateway, "upstreams", "check", "nowhere", code=1)
        assert "http://127.0.0.1:9/v1 can't be used" in printed
        assert "set" in cli(gateway, "upstreams", "add", "k", "https://x/v1", "--key-env", "NO_SUCH_VARIABLE", code=2)
        assert "none of openai" in cli(gateway, "upstreams", "add", "k", "https://x/v1", "--kind", "odd", code=2)
        cli(gateway, "upstreams", "models", "nowhere", "--model", "y=z", "--weight", "7")
        assert "far, x" in cli(gateway, "models", "fallbacks", "y", "far", "x")
        assert "name its fall-backs" in cli(gateway, "models", "fallbacks", "y", code=2)
        assert "not itself" in cli(gateway, "models", "fallbacks", "x", "x", code=1)
        cli(gateway, "models", "fallbacks", "y", "far")
        models = json.loads(cli(gateway, "upstreams", "models", "nowhere", "--json"))
        assert [(model["name"], model["remote"], model["weight"], model["fallbacks"]) for model in models] == [
            ("x", "x", 100, []),
            ("y", "z", 7, ["far"]),
        ]
        cli(gateway, "models", "fallbacks", "y", "--none")
        assert "y" not in json.loads(cli(gateway, "models", "fallbacks", "--json"))
        cli(gateway, "upstreams", "models", "nowhere", "--drop", "x")
        assert "Removed nowhere" in cli(gateway, "upstreams", "remove", "nowhere")


def _tokens(choice: Any) -> list[Any]:
    return (choice.logprobs.content or []) if choice.logprobs is not None else []
