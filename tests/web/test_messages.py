"""``/v1/messages`` and its neighbours with Anthropic's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic
from anthropic.types import TextBlock, ToolUseBlock
from tests.support.server import RunningServer

MODEL = "smollm2-135m"
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
GREEDY = {"temperature": 0}
"""The client has no parameter for it: Anthropic's newer models have no temperature."""
WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "The weather in a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
        "required": ["city"],
    },
}


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Anthropic]:
    with Anthropic(base_url=server.url, api_key=server.api_key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def raw(server: RunningServer) -> Iterator[httpx.Client]:
    """A plain client with the key where Anthropic's client sends it."""
    with httpx.Client(base_url=server.url, headers={"x-api-key": server.api_key}, timeout=60) as client:
        yield client


def request(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 20, "messages": QUESTION, "extra_body": GREEDY} | more


def body(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 20, "messages": QUESTION, "temperature": 0} | more


def test_a_question_is_answered(client: Anthropic) -> None:
    message = client.messages.create(**request())
    [block] = message.content
    assert isinstance(block, TextBlock)
    assert "Paris" in block.text
    assert (message.role, message.type, message.model) == ("assistant", "message", MODEL)
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.id.startswith("msg_")
    assert message._request_id is not None


def test_a_stream_gives_the_same_answer(client: Anthropic) -> None:
    whole = client.messages.create(**request())
    with client.messages.stream(**request()) as stream:
        message = stream.get_final_message()
    assert message.to_dict()["content"] == whole.to_dict()["content"]
    assert (message.stop_reason, message.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)


def test_cached_tokens_are_told_and_not_counted_twice(client: Anthropic) -> None:
    system = [{"type": "text", "text": "Be brief. " * 40, "cache_control": {"type": "ephemeral"}}]
    first, second = (client.messages.create(**request(system=system, max_tokens=1)).usage for _ in range(2))
    assert second.cache_read_input_tokens
    total = first.input_tokens + (first.cache_read_input_tokens or 0)
    assert second.input_tokens + second.cache_read_input_tokens == total


def test_a_stop_sequence_ends_the_answer_and_is_named(client: Anthropic) -> None:
    message = client.messages.create(**request(stop_sequences=["Rome", "Paris"]))
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "Paris")
    [block] = message.content
    assert isinstance(block, TextBlock)
    assert "Paris" not in block.text


def test_an_answer_longer_than_max_tokens_is_cut(client: Anthropic) -> None:
    message = client.messages.create(**request(max_tokens=2))
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 2)


def test_more_tokens_than_the_context_holds_may_be_asked_for(client: Anthropic) -> None:
    assert client.messages.create(**request(max_tokens=20_000)).stop_reason == "end_turn"


def test_a_turn_of_the_assistant_is_continued(client: Anthropic) -> None:
    begun = [*QUESTION, {"role": "assistant", "content": "The capital of France is"}]
    [block] = client.messages.create(**request(messages=begun, max_tokens=3)).content
    assert isinstance(block, TextBlock)
    assert block.text.startswith(" Paris")


def test_a_tool_is_called_and_its_result_is_read(client: Anthropic) -> None:
    choice = {"type": "tool", "name": "weather"}
    called = client.messages.create(**request(tools=[WEATHER], tool_choice=choice, max_tokens=60))
    assert called.stop_reason == "tool_use"
    [call] = called.content
    assert isinstance(call, ToolUseBlock)
    assert call.name == "weather"
    assert call.input in ({"city": "Paris"}, {"city": "Rome"})
    with client.messages.stream(**request(tools=[WEATHER], tool_choice=choice, max_tokens=60)) as stream:
        [streamed] = stream.get_final_message().content
    assert isinstance(streamed, ToolUseBlock)
    assert streamed.input == call.input
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "no such city", "is_error": True}
    turns = [*QUESTION, called.to_param(), {"role": "user", "content": [result]}]
    answer = client.messages.create(**request(tools=[WEATHER], messages=turns))
    assert answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0) > called.usage.input_tokens


def test_an_answer_follows_a_schema(client: Anthropic) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}
    format_ = {"type": "json_schema", "schema": schema | {"additionalProperties": False}}
    message = client.messages.create(**request(output_config={"format": format_}))
    [block] = message.content
    assert isinstance(block, TextBlock)
    assert httpx.Response(200, text=block.text).json() == {"city": "Paris"}


def test_tokens_are_counted_as_an_answer_counts_them(client: Anthropic) -> None:
    counted = client.messages.count_tokens(model=MODEL, messages=QUESTION, system="Be brief.", tools=[WEATHER])  # type: ignore[list-item]
    usage = client.messages.create(**request(system="Be brief.", tools=[WEATHER], max_tokens=1)).usage
    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)


def test_versions_betas_and_queries_of_the_future_are_taken(raw: httpx.Client) -> None:
    headers = {"anthropic-version": "2099-12-31", "anthropic-beta": "telepathy-2099-01-01,other"}
    for sent in (headers, {}):
        answer = raw.post("/v1/messages?beta=true&of=the+future", headers=sent, json=body(telepathy={"on": True}))
        assert answer.status_code == 200, answer.text
        assert answer.headers["request-id"] == answer.headers["x-request-id"]


def test_a_stream_begins_with_a_ping(raw: httpx.Client) -> None:
    events = raw.post("/v1/messages", json=body(stream=True)).text.split("\n\n")
    assert events[0].startswith("event: message_start\n")
    assert events[1] == 'event: ping\ndata: {"type":"ping"}'
    assert events[-2] == 'event: message_stop\ndata: {"type":"message_stop"}'


def test_head_of_the_root_needs_no_key(server: RunningServer) -> None:
    assert httpx.head(server.url).status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "kind", "words"),
    [
        ({"max_tokens": None}, 400, "invalid_request_error", "max_tokens"),
        ({"messages": []}, 400, "invalid_request_error", "messages"),
        ({"model": "claude-of-the-future"}, 404, "not_found_error", "claude-of-the-future"),
        ({"messages": [{"role": "user", "content": "a " * 20_000}]}, 400, "invalid_request_error", "8192 tokens"),
    ],
)
def test_errors_have_anthropic_s_shape(raw: httpx.Client, fields: Any, status: int, kind: str, words: str) -> None:
    answer = raw.post("/v1/messages", json=body(**fields))
    assert answer.status_code == status
    error = answer.json()
    assert (error["type"], error["error"]["type"]) == ("error", kind)
    assert words in error["error"]["message"]


def test_a_wrong_key_is_an_authentication_error(server: RunningServer) -> None:
    client = Anthropic(base_url=server.url, api_key="sk-ant-wrong", max_retries=0)
    with client, pytest.raises(anthropic.AuthenticationError):
        client.messages.create(**request())


def test_batches_are_not_there(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.list()


def test_models_are_listed_in_anthropic_s_shape(client: Anthropic, raw: httpx.Client) -> None:
    page = client.models.list(limit=1)
    assert [model.id for model in page.data] == [MODEL]
    [model] = page.data
    assert (model.type, model.lifecycle, model.max_input_tokens) == ("model", "active", 8192)
    assert client.models.retrieve(MODEL) == model
    assert [model.id for model in client.models.list(after_id=MODEL)] == []
    assert raw.get("/v1/models").json()["object"] == "list"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nobody")
