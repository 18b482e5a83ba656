"""Upstreams with Anthropic's API: the requests that they get, and how their streams are read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter
from tests.support.upstream_gateway import Gateway, open_gateway, text
from tests.support.upstream_server import Connection, UpstreamServer, upstream_server

from aquilon.conversations.dialects.chat_fields import ChatCompletionRequest
from aquilon.conversations.dialects.messages_events import Answer, message_frames
from aquilon.conversations.dialects.messages_fields import MessagesRequest
from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import ApiError
from aquilon.money.usage_event import Usage
from aquilon.request import ChatPrompt, Delta, Event, Finished, Started
from aquilon.text.messages import Message
from aquilon.upstreams.check import check
from aquilon.upstreams.requests import body_of
from aquilon.upstreams.upstream import Capability

CAN: frozenset[Capability] = frozenset({"chat", "function_calling", "vision", "reasoning"})
READER: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path) as opened:
        yield opened


@pytest.fixture
async def upstream() -> AsyncIterator[UpstreamServer]:
    async with upstream_server() as running:
        yield running


def message_start(**usage: int) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": {"output_tokens": 1} | usage}}


def block(index: int, kind: str, *deltas: dict[str, Any], **fields: Any) -> Iterator[dict[str, Any]]:
    yield {"type": "content_block_start", "index": index, "content_block": {"type": kind} | fields}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def message_end(reason: str = "end_turn", sequence: str | None = None, **usage: Any) -> Iterator[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5} | usage}
    yield {"type": "message_stop"}


async def send(connection: Connection, *events: dict[str, Any]) -> None:
    await connection.begin()
    for event in events:
        await connection.data(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n")
    await connection.raw(b"0\r\n\r\n")


async def streamed(gateway: Gateway, upstream: UpstreamServer, *events: dict[str, Any], **more: Any) -> list[Event]:
    async def script(connection: Connection) -> None:
        await send(connection, *events)

    upstream.script = script
    if not gateway.registry.cards():
        await gateway.add(upstream.url, kind="anthropic", capabilities=CAN)
    return await gateway.whole(**more)


WORDS = [
    *block(0, "text", {"type": "text_delta", "text": "Hel"}, {"type": "text_delta", "text": "lo"}, text=""),
    *message_end(),
]


class TestAnswers:
    async def test_text_is_streamed_and_cached_tokens_are_among_the_prompt_s(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        usage = {"input_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2}
        events = await streamed(gateway, upstream, message_start(**usage), {"type": "ping"}, *WORDS)
        assert events == [
            Started(0, prompt_tokens=events[0].prompt_tokens),  # type: ignore[union-attr]
            *(Delta(0, "Hel"), Delta(0, "lo"), Finished(0, "stop")),
            Usage(9, 5, 4),
        ]
        [request] = upstream.requests
        assert (request.method, request.path) == ("POST", "/v1/messages")
        assert request.headers["x-api-key"] == "sk-very-secret-key"
        assert "authorization" not in request.headers
        assert request.headers["anthropic-version"] == "2023-06-01"
        assert request.json == {
            "model": "there",
            "stream": True,
            "max_tokens": request.json["max_tokens"],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        }
        assert 3000 < request.json["max_tokens"] < 4096

    async def test_thoughts_and_parallel_calls_reach_anthropic_s_client_as_they_were(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        sent = [
            message_start(input_tokens=5),
            *block(
                0,
                "thinking",
                {"type": "thinking_delta", "thinking": "Hm"},
                {"type": "signature_delta", "signature": "EqQB"},
                thinking="",
            ),
            *block(1, "redacted_thinking", data="Emw="),
            *block(2, "text", {"type": "text_delta", "text": "I look"}, text=""),
            *block(
                3,
                "tool_use",
                {"type": "input_json_delta", "partial_json": '{"at":'},
                {"type": "input_json_delta", "partial_json": '"Paris"}'},
                id="toolu_1",
                name="look",
                input={},
            ),
            *block(
                4,
                "server_tool_use",
                {"type": "input_json_delta", "partial_json": "{}"},
                id="srv",
                name="web_search",
                input={},
            ),
            *block(5, "tool_use", id="toolu_2", name="nothing", input={}),
            *message_end("tool_use", output_tokens_details={"thinking_tokens": 2}),
        ]
        events = await streamed(gateway, upstream, *sent)
        assert events[-2:] == [Finished(0, "tool_calls"), Usage(5, 5, 0, 2)]
        stream = await client_events(events)
        starts = [event.content_block.to_dict() for event in stream if event.type == "content_block_start"]
        assert [start["type"] for start in starts] == ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
        assert [(start["id"], start["name"]) for start in starts[3:]] == [("toolu_1", "look"), ("toolu_2", "nothing")]
        assert starts[1]["data"] == "Emw="
        deltas = [event.delta.to_dict() for event in stream if event.type == "content_block_delta"]
        assert {"type": "signature_delta", "signature": "EqQB"} in deltas
        inputs = "".join(delta.get("partial_json", "") for delta in deltas)
        assert inputs == '{"at":"Paris"}{}'

    @pytest.mark.parametrize(
        ("reason", "sequence", "finished"),
        [
            ("stop_sequence", "END", Finished(0, "stop", "END")),
            ("max_tokens", None, Finished(0, "length")),
            ("model_context_window_exceeded", None, Finished(0, "length")),
            ("refusal", None, Finished(0, "content_filter")),
            ("pause_turn", None, Finished(0, "stop")),
        ],
    )
    async def test_each_stop_reason_becomes_a_finish_reason(
        self, gateway: Gateway, upstream: UpstreamServer, reason: str, sequence: str | None, finished: Finished
    ) -> None:
        text = block(0, "text", {"type": "text_delta", "text": "a"}, text="")
        assert finished in await streamed(gateway, upstream, message_start(), *text, *message_end(reason, sequence))

    async def test_an_error_in_mid_stream_is_raised(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Too many people ask"}}
        text = list(block(0, "text", {"type": "text_delta", "text": "a"}, text=""))
        with pytest.raises(ApiError, match="Too many people ask"):
            await streamed(gateway, upstream, message_start(), *text, error)

    @pytest.mark.parametrize(("status", "expected"), [(400, 400), (401, 502), (529, 503)])
    async def test_a_refusal_has_the_status_of_other_upstreams_refusals(
        self, gateway: Gateway, upstream: UpstreamServer, status: int, expected: int
    ) -> None:
        async def script(connection: Connection) -> None:
            body = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too many"}}
            await connection.answer(status, body)

        upstream.script = script
        await gateway.add(upstream.url, kind="anthropic", capabilities=CAN)
        with pytest.raises(ApiError) as caught:
            await gateway.whole()
        assert caught.value.status == expected
        assert ("max_tokens: too many" in caught.value.message) == (status == 400)

    async def test_an_answer_that_repeats_the_prefix_begins_with_it(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        messages = (Message("user", "Hi"), Message("assistant", "Well, "))
        prompt = ChatPrompt(messages, continue_final=True, repeats_final=True)
        assert text(await streamed(gateway, upstream, message_start(), *WORDS, prompt=prompt)) == "Well, Hello"
        assert upstream.requests[0].json["messages"][-1] == {
            "role": "assistant",
            "content": [{"type": "text", "text": "Well, "}],
        }


async def client_events(events: list[Event]) -> list[Any]:
    """The stream of these events, as Anthropic's client reads it."""

    async def again() -> AsyncIterator[Event]:
        for event in events:
            yield event

    answer = Answer(id="msg_2", model="m", max_tokens=100, room=100)
    frames = b"".join([frame async for frame in message_frames(again(), answer)])  # type: ignore[arg-type]
    lines = [line.removeprefix("data: ") for line in frames.decode().splitlines() if line.startswith("data: ")]
    return [READER.validate_json(line) for line in lines if "ping" not in line]


SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
CONVERSATION = {
    "model": "m",
    "max_tokens": 100,
    "system": "Be brief.",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "EqQB"},
                {"type": "redacted_thinking", "data": "Emw="},
                {"type": "text", "text": "I look"},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "Paris"}},
                {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "Sunny"}]},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "content": [{"type": "text", "text": "Error: nowhere"}],
                    "is_error": True,
                },
                {"type": "text", "text": "So?"},
            ],
        },
    ],
    "tools": [{"name": "look", "description": "Looks", "input_schema": SCHEMA, "strict": True}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    "stop_sequences": ["END"],
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 5,
}


def body_for(fields: dict[str, Any], *, reasoning: bool = True) -> dict[str, Any]:
    request = MessagesRequest.model_validate(fields).generation()
    body: dict[str, Any] = msgspec.json.decode(body_of(request, "anthropic", "there", reasoning=reasoning))
    return body


def body_for_chat(*, reasoning: bool = False, **fields: Any) -> dict[str, Any]:
    client_fields = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]} | fields
    request = ChatCompletionRequest.model_validate(client_fields).generation()
    body: dict[str, Any] = msgspec.json.decode(body_of(request, "anthropic", "there", reasoning=reasoning))
    return body


class TestRequests:
    def test_a_request_in_anthropic_s_shape_is_sent_as_it_came(self) -> None:
        assert body_for(CONVERSATION) == CONVERSATION | {"model": "there", "stream": True}

    def test_an_effort_in_anthropic_s_shape_changes_nothing_else(self) -> None:
        fields = {name: CONVERSATION[name] for name in ("model", "max_tokens", "messages")}
        body = body_for(fields | {"output_config": {"effort": "max"}}, reasoning=False)
        assert (body["output_config"], "thinking" in body) == ({"effort": "max"}, False)

    def test_a_mark_for_the_cache_anywhere_asks_for_caching(self) -> None:
        assert "cache_control" not in body_for(CONVERSATION)
        mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
        for marked in (mark, {"system": [{"type": "text", "text": "Be brief."} | mark]}):
            assert body_for(CONVERSATION | marked)["cache_control"] == {"type": "ephemeral"}

    def test_the_efforts_of_openai_s_clients_become_thoughts(self) -> None:
        low = body_for_chat(reasoning=True, reasoning_effort="minimal")
        assert (low["thinking"], low["output_config"]) == ({"type": "adaptive"}, {"effort": "low"})
        assert body_for_chat(reasoning=True, reasoning_effort="none")["thinking"] == {"type": "disabled"}
        assert "output_config" not in body_for_chat(reasoning_effort="high")

    def test_a_chat_of_openai_s_shape_is_translated(self) -> None:
        call = {"id": "call:1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        messages = [
            {"role": "system", "content": "A"},
            {"role": "user", "content": "B"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call:1", "content": "C"},
            {"role": "user", "content": "D"},
        ]
        tools = [{"type": "function", "function": {"name": "f"}}]
        body = body_for_chat(messages=messages, tools=tools, tool_choice="none", user="u", temperature=1.5, seed=1)
        assert body == {
            "model": "there",
            "stream": True,
            "max_tokens": 8192,
            "system": "A",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "B"}]},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "C"}]},
                        {"type": "text", "text": "D"},
                    ],
                },
            ],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "none"},
            "temperature": 1.0,
        }

    @pytest.mark.parametrize(
        "fields", [{"n": 2}, {"logprobs": True}, {"response_format": {"type": "json_object"}}, {"guided_regex": "a+"}]
    )
    def test_a_request_that_anthropic_s_api_can_t_express_is_refused(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ApiError) as caught:
            body_for_chat(**fields)
        assert caught.value.status == 400


class TestAdministration:
    async def test_a_check_lists_models_with_their_context(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        async def script(connection: Connection) -> None:
            model = {"type": "model", "id": "there", "display_name": "There", "max_input_tokens": 200_000}
            await connection.answer(200, {"data": [model], "has_more": False})

        upstream.script = script
        added = await gateway.add(f"{upstream.url}/v1", kind="anthropic", capabilities=CAN)
        answer = await check(added)
        assert answer.problem == ""
        assert [(model.name, model.max_context) for model in answer.models] == [("there", 200_000)]
        assert upstream.requests[0].path == "/v1/models?limit=1000"

    async def test_a_capability_that_anthropic_s_api_lacks_is_refused(self, gateway: Gateway) -> None:
        with pytest.raises(ValueError, match="can't have embeddings"):
            await gateway.add("http://127.0.0.1:9", kind="anthropic", capabilities=frozenset({"chat", "embeddings"}))


async def test_a_request_without_max_tokens_asks_for_the_rest_of_the_context(
    gateway: Gateway, upstream: UpstreamServer
) -> None:
    await streamed(gateway, upstream, message_start(), *WORDS, prompt="word " * 1000)
    assert 1 < upstream.requests[0].json["max_tokens"] < 4096 - 1000
    await streamed(
        gateway, upstream, message_start(), *WORDS, request_id="r2", sampling=SamplingParameters(max_tokens=7)
    )
    assert upstream.requests[1].json["max_tokens"] == 7


def test_calls_with_broken_arguments_are_sent_without_them() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": '{"a":'}}
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [call]}]
    body = body_for_chat(messages=[*turns, {"role": "tool", "tool_call_id": "c", "content": ""}])
    assert body["messages"][1]["content"] == [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]
    assert body["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "c"}]


async def test_vllm_names_the_stop_string(gateway: Gateway, upstream: UpstreamServer) -> None:
    async def script(connection: Connection) -> None:
        await connection.begin()
        await connection.say("a")
        await connection.chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "END"}]})
        await connection.end()

    upstream.script = script
    await gateway.add(f"{upstream.url}/v1")
    assert Finished(0, "stop", "END") in await gateway.whole(stop=("END",))
