"""Upstreams' answers are streamed to the client and metered, and end cleanly whatever the upstream does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.support.polling import until
from tests.support.upstream_gateway import MODEL, QUICK, Gateway, another_process, open_gateway, text
from tests.support.upstream_server import Connection, UpstreamServer, upstream_server, well

from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import ApiError
from aquilon.money.prices import Price
from aquilon.money.store import budgets, prices
from aquilon.money.usage_event import Usage
from aquilon.people.scope import Scope
from aquilon.request import (
    ChatPrompt,
    Delta,
    Drawn,
    Event,
    Finished,
    JsonSchema,
    Regex,
    Started,
    TextPrompt,
    ToolCallDelta,
    ToolUse,
)
from aquilon.text.messages import FunctionCall, ImagePart, Message, TextPart, Tool, ToolCall
from aquilon.upstreams import administration
from aquilon.upstreams.registry import _REFRESH_SECONDS
from aquilon.upstreams.upstream import Timeouts

INPUT, CACHED, OUTPUT = 2, 1, 3


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path) as opened:
        yield opened


@pytest.fixture
async def upstream() -> AsyncIterator[UpstreamServer]:
    async with upstream_server() as running:
        yield running


async def set_price(gateway: Gateway) -> None:
    async with gateway.database.writing() as session:
        await prices.set_price(session, MODEL, Price(int(time.time()), input=INPUT, cached_input=CACHED, output=OUTPUT))


async def refused(gateway: Gateway, **more: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await gateway.whole(**more)  # type: ignore[arg-type]
    return caught.value


class TestPassedOn:
    async def test_each_answer_repeats_the_message_that_it_continues_once(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        """llama.cpp and others continue a last message of the assistant's, and repeat it for nobody."""
        messages = (Message("user", "Count."), Message("assistant", "Zero "))
        prompt = ChatPrompt(messages, continue_final=True, repeats_final=True)
        await gateway.add(f"{upstream.url}/v1")
        assert text(await gateway.whole(prompt)) == "Zero One two three"
        assert text(await gateway.whole(ChatPrompt(messages, continue_final=True), "r2")) == "One two three"

    async def test_text_is_streamed_and_charged_with_the_upstream_s_count(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        await gateway.add(f"{upstream.url}/v1")
        events = await gateway.whole()
        assert events == [
            Started(0, prompt_tokens=6),
            Delta(0, "One "),
            Delta(0, "two "),
            Delta(0, "three"),
            Finished(0, "stop"),
            Usage(7, 3, 2),
        ]
        row = gateway.events()["r1"]
        assert (row["prompt_tokens"], row["cached_tokens"], row["completion_tokens"]) == (7, 2, 3)
        assert (row["model"], row["outcome"]) == (MODEL, "completed")
        [request] = upstream.requests
        assert (request.method, request.path) == ("POST", "/v1/chat/completions")
        assert request.headers["authorization"] == "Bearer sk-very-secret-key"
        assert request.json == {
            "model": "there",
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    async def test_each_piece_is_passed_on_before_the_next_one_comes(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        seen = asyncio.Event()

        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.say("One ")
            await seen.wait()
            await connection.say("two")
            await connection.finish()
            await connection.end()

        upstream.script = script
        await gateway.add(upstream.url, timeouts=Timeouts())
        async with asyncio.timeout(5), aclosing(await gateway.answer(gateway.request())) as events:
            async for event in events:
                if event == Delta(0, "One "):
                    seen.set()
        assert seen.is_set()

    async def test_connections_are_used_again(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        await gateway.add(upstream.url)
        for number in range(5):
            await gateway.whole(request_id=f"r{number}")
            await asyncio.sleep(0.01)
        assert upstream.connections == 1

    async def test_tools_images_formats_and_sampling_are_sent_unrendered(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        await gateway.add(upstream.url)
        picture = "data:image/png;base64,AAAA"
        messages = (
            Message("system", "Be brief."),
            Message("user", "", parts=(TextPart("What is this?"), ImagePart(picture, "low"))),
            Message("assistant", tool_calls=(ToolCall("c1", FunctionCall("look", '{"at": 1}')),)),
            Message("tool", "a bird", tool_call_id="c1"),
        )
        tools = ToolUse((Tool("look", "Looks.", {"type": "object"}),), "named", "look", parallel=False)
        await gateway.whole(
            ChatPrompt(messages, tool_use=tools),
            format=JsonSchema({"type": "object"}, "bird"),
            sampling=SamplingParameters(top_p=0.5, seed=7, max_tokens=99, logit_bias={5: -1.0}, logprobs=2),
            temperature=0.0,
            stop=("END",),
            upstream_fields={"reasoning_effort": "low", "model": "another", "api_base": "http://x", "models": ["y"]},
        )
        body = upstream.requests[0].json
        assert body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
                ],
            },
            {"role": "tool", "content": "a bird", "tool_call_id": "c1"},
        ]
        assert body["tools"][0]["function"] == {
            "name": "look",
            "description": "Looks.",
            "parameters": {"type": "object"},
        }
        assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}
        assert body["response_format"]["json_schema"] == {"name": "bird", "schema": {"type": "object"}}
        sampling = {name: body[name] for name in ("top_p", "seed", "max_tokens", "logit_bias", "stop", "temperature")}
        assert sampling == {
            "top_p": 0.5,
            "seed": 7,
            "max_tokens": 99,
            "logit_bias": {"5": -1.0},
            "stop": ["END"],
            "temperature": 0.0,
        }
        assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
        assert not {"api_base", "models"} & set(body)  # only the operator chooses these
        assert (body["parallel_tool_calls"], body["reasoning_effort"], body["model"]) == (False, "low", "there")

    async def test_token_ids_come_back_where_the_client_asks_for_them(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            chat = connection.request.path.endswith("/chat/completions")
            choice = {"index": 0, "token_ids": [4, 5]} | ({"delta": {"content": "ab"}} if chat else {"text": "ab"})
            ids = {"prompt_token_ids": [1, 2, 3]}
            await connection.chunk({"choices": [choice], **ids} if chat else {"choices": [choice | ids]})
            await connection.chunk({"choices": [{"index": 0, "token_ids": [6], "finish_reason": "stop"}]})
            await connection.end()

        upstream.script = script
        await gateway.add(upstream.url)
        for number, prompt in enumerate(("Hello", TextPrompt("Hello"))):
            fields = {"return_token_ids": True}
            events = await gateway.whole(prompt, f"r{number}", returns_ids=True, upstream_fields=fields)
            assert upstream.requests[-1].json["return_token_ids"] is True
            assert isinstance(events[0], Started)
            assert events[0].prompt_ids == (1, 2, 3)
            assert [event.ids for event in events if isinstance(event, Drawn)] == [(4, 5), (6,)]
            assert text(events) == "ab"
        plain = await gateway.whole("Hello", "r2")
        assert isinstance(plain[0], Started)
        assert plain[0].prompt_ids is None
        assert not any(isinstance(event, Drawn) for event in plain)

    async def test_tool_calls_reasoning_and_log_probabilities_come_back(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.say("", reasoning_content="Hm.")
            scores = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]}
            await connection.chunk({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": scores}]})
            await connection.say(
                "", tool_calls=[{"index": 0, "id": "x", "function": {"name": "look", "arguments": '{"a'}}]
            )
            await connection.say("", tool_calls=[{"index": 0, "function": {"arguments": '":1}'}}])
            await connection.say("", tool_calls=[{"id": "y", "function": {"name": "see", "arguments": {"b": 2}}}])
            await connection.finish("tool_calls")
            await connection.end()

        upstream.script = script
        await gateway.add(upstream.url)
        events = await gateway.whole()
        assert Delta(0, "", reasoning="Hm.") in events
        [scored] = [event for event in events if isinstance(event, Delta) and event.tokens]
        assert (scored.tokens[0].text, scored.tokens[0].logprob) == ("a", -0.5)
        assert [event for event in events if isinstance(event, ToolCallDelta)] == [
            ToolCallDelta(0, 0, id="x", name="look", arguments='{"a'),
            ToolCallDelta(0, 0, arguments='":1}'),
            ToolCallDelta(0, 1, id="y", name="see", arguments='{"b":2}'),
        ]
        assert Finished(0, "tool_calls") in events

    async def test_several_continuations_are_kept_apart(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.say("a", index=1)
            await connection.say("b", index=0)
            await connection.finish(index=1)
            await connection.finish("length", index=0, usage={"prompt_tokens": 3, "completion_tokens": 2})
            await connection.end()

        upstream.script = script
        await gateway.add(upstream.url)
        events = await gateway.whole(n=2)
        assert events[1:] == [Delta(1, "a"), Delta(0, "b"), Finished(1, "stop"), Finished(0, "length"), Usage(3, 2)]

    async def test_plain_text_is_continued(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            scores = {"tokens": [" upon"], "token_logprobs": [-1.5], "top_logprobs": [{" upon": -1.5, " more": -2}]}
            await connection.chunk({"choices": [{"index": 0, "text": " upon", "logprobs": scores}]})
            await connection.chunk({"choices": [{"index": 0, "text": "", "finish_reason": "length"}]})
            await connection.end()

        upstream.script = script
        await gateway.add(f"{upstream.url}/v1")
        events = await gateway.whole(TextPrompt("Once"), sampling=SamplingParameters(max_tokens=1, logprobs=2))
        assert (upstream.requests[0].path, upstream.requests[0].json["prompt"]) == ("/v1/completions", "Once")
        assert text(events) == " upon"
        [scored] = [event for event in events if isinstance(event, Delta) and event.tokens]
        assert [other.text for other in scored.tokens[0].top] == [" upon", " more"]

    @pytest.mark.parametrize(
        ("kind", "path"),
        [
            ("azure", "/openai/deployments/there/chat/completions?api-version=2024-10-21"),
            ("azure_ai", "/models/chat/completions?api-version=2024-10-21"),
        ],
    )
    async def test_requests_to_azure_have_its_paths_and_key(
        self, gateway: Gateway, upstream: UpstreamServer, kind: str, path: str
    ) -> None:
        await gateway.add(upstream.url, kind=kind, api_version="2024-10-21")  # type: ignore[arg-type]
        await gateway.whole()
        [request] = upstream.requests
        assert request.path == path
        assert request.headers["api-key"] == "sk-very-secret-key"
        assert "authorization" not in request.headers

    async def test_a_format_that_azure_does_not_support_is_refused(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        await gateway.add(upstream.url, kind="azure", api_version="2024-10-21")
        error = await refused(gateway, format=Regex("a+"))
        assert (error.status, "JSON formats only" in error.message) == (400, True)
        assert upstream.requests == []

    async def test_a_request_beyond_the_model_s_capabilities_is_refused_at_once(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        await gateway.add(upstream.url, capabilities=frozenset({"chat"}))
        image = ChatPrompt((Message("user", "", parts=(ImagePart("data:image/png;base64,AA"),)),))
        assert (await refused(gateway, prompt=image)).code == "no_vision"
        tools = ChatPrompt((Message("user", "x"),), tool_use=ToolUse((Tool("f"),)))
        assert (await refused(gateway, prompt=tools)).code == "no_function_calling"
        assert (await refused(gateway, prompt=TextPrompt("x"))).code == "not_a_completion_model"
        assert (await refused(gateway, prompt="x" * 300_000)).code == "context_length_exceeded"
        assert upstream.requests == []


class TestMetering:
    async def test_without_usage_our_own_count_is_charged(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.say(*["word "] * 50)
            await connection.finish()
            await connection.end()

        upstream.script = script
        await gateway.add(upstream.url)
        events = await gateway.whole("x" * 400)
        assert events[-1] == Usage(104, 50)

    @pytest.mark.parametrize("reported", [0, 1, 100_000])
    async def test_a_usage_that_can_t_be_true_is_not_charged(
        self, gateway: Gateway, upstream: UpstreamServer, reported: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.say(*["word "] * 50)
            await connection.finish(usage={"prompt_tokens": reported and 10**9, "completion_tokens": reported})
            await connection.end()

        upstream.script = script
        await gateway.add(upstream.url)
        await set_price(gateway)
        events = await gateway.whole("x" * 400)
        assert events[-1] == Usage(104, 50)
        assert gateway.events()["r1"]["cost"] == 104 * INPUT + 50 * OUTPUT
        assert b'aquilon:upstream_implausible_usage_total{upstream="elsewhere"}' in gateway.metrics.text()

    async def test_hidden_reasoning_tokens_are_charged_as_far_as_the_budget_goes(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.say("Yes")
            details = {"reasoning_tokens": 2000}
            usage = {"prompt_tokens": 9, "completion_tokens": 2001, "completion_tokens_details": details}
            await connection.finish(usage=usage)
            await connection.end()

        upstream.script = script
        await gateway.add(upstream.url, capabilities=frozenset({"chat", "reasoning"}))
        await set_price(gateway)
        assert (await gateway.whole())[-1] == Usage(9, 2001, reasoning_tokens=2000)
        scope, key = Scope.of_organization(gateway.principal), gateway.principal.api_key_id
        assert key is not None
        limit = 2000 * OUTPUT
        async with gateway.database.writing() as session:
            await budgets.set_budget(session, scope, subject_kind="key", subject_id=key, period="once", amount=limit)
        await gateway.whole(request_id="r2")
        assert 0 < gateway.events()["r2"]["cost"] <= limit

    async def test_an_answer_ends_with_length_when_the_budget_is_spent(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            while True:
                await connection.say("word ")

        upstream.script = script
        await gateway.add(upstream.url, timeouts=Timeouts())
        await set_price(gateway)
        scope, key = Scope.of_organization(gateway.principal), gateway.principal.api_key_id
        assert key is not None
        async with gateway.database.writing() as session:
            await budgets.set_budget(session, scope, subject_kind="key", subject_id=key, period="once", amount=10_000)
        events = await gateway.whole()
        assert events[-2] == Finished(0, "length")
        assert 0 < gateway.events()["r1"]["cost"] <= 10_000
        await until(lambda: not upstream.busy)

    async def test_a_client_that_leaves_ends_the_upstream_s_work_and_pays_for_received_tokens(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.say(*["word "] * 10)
            await connection.gone()

        upstream.script = script
        await gateway.add(upstream.url, timeouts=Timeouts())
        seen = 0
        async with aclosing(await gateway.answer(gateway.request())) as events:
            async for event in events:
                seen += isinstance(event, Delta)
                if seen == 10:
                    break
        await until(lambda: bool(gateway.events()) and not upstream.busy)
        row = gateway.events()["r1"]
        assert (row["outcome"], row["completion_tokens"]) == ("cancelled", 10)

    async def test_a_client_that_leaves_before_the_first_token_ends_the_upstream_s_work(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.gone()

        upstream.script = script
        await gateway.add(upstream.url, timeouts=Timeouts())
        waiting = asyncio.create_task(gateway.whole())
        await until(lambda: bool(upstream.requests))
        waiting.cancel()
        await until(lambda: not upstream.busy)
        await until(lambda: bool(gateway.events()))
        assert gateway.events()["r1"]["completion_tokens"] == 0


async def collect(answer: AsyncGenerator[Event], seen: list[Event], shown: asyncio.Event) -> None:
    async with aclosing(answer) as events:
        async for event in events:
            seen.append(event)
            if text(seen) == "One two ":
                shown.set()


async def hang(connection: Connection) -> None:
    await connection.gone()


async def hang_after_the_head(connection: Connection) -> None:
    await connection.begin()
    await connection.gone()


async def heartbeats_for_ever(connection: Connection) -> None:
    await connection.begin()
    while True:
        await connection.data(": waiting\n\n")
        await asyncio.sleep(0.01)


async def no_http(connection: Connection) -> None:
    await connection.raw(b"\x00\xff garbage \x00 not HTTP\r\n\r\n")
    connection.cut()


async def a_page(connection: Connection) -> None:
    await connection.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>")


async def no_json(connection: Connection) -> None:
    await connection.begin()
    await connection.data("data: {nonsense\n\n")
    await connection.gone()


async def the_wrong_json(connection: Connection) -> None:
    await connection.begin()
    await connection.data('data: {"choices": "none"}\n\n')
    await connection.gone()


async def a_choice_that_nobody_asked_for(connection: Connection) -> None:
    await connection.begin()
    await connection.say("x", index=7)
    await connection.gone()


async def nested_for_ever(connection: Connection) -> None:
    await connection.begin()
    await connection.data(b"data: " + b'{"choices":[{"x":' + b"[" * 400_000 + b"\n\n")
    await connection.gone()


async def a_line_of_100_mb(connection: Connection) -> None:
    await connection.begin()
    await connection.data("data: ")
    piece = b"x" * 2**20
    for _ in range(100):
        await connection.data(piece)


async def an_event_of_100_mb_in_lines(connection: Connection) -> None:
    await connection.begin()
    piece = b"data: " + b"x" * 1000 + b"\n"
    for _ in range(1000):
        await connection.data(piece * 100)


async def a_header_without_end(connection: Connection) -> None:
    await connection.raw(b"HTTP/1.1 200 OK\r\nx: ")
    for _ in range(2000):
        await connection.raw(b"y" * 1000)


async def compressed(connection: Connection) -> None:
    await connection.raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc"
    )


async def cut_at_once(connection: Connection) -> None:
    connection.cut()


async def empty(connection: Connection) -> None:
    await connection.begin()
    await connection.raw(b"0\r\n\r\n")


async def an_error_at_once(connection: Connection) -> None:
    await connection.begin()
    await connection.data('data: {"error": {"message": "CUDA out of memory on 10.1.2.3"}}\n\n')
    await connection.gone()


async def a_redirection(connection: Connection) -> None:
    await connection.answer(307, {}, location="http://169.254.169.254/latest/meta-data/")


async def teapot(connection: Connection) -> None:
    await connection.answer(500, {"error": {"message": "down at http://internal.example:99/x"}})


async def denied(connection: Connection) -> None:
    await connection.answer(401, {"error": {"message": "Incorrect API key provided: sk-very-secret-key"}})


async def unknown_there(connection: Connection) -> None:
    await connection.answer(404, {"error": {"message": "The model `there` does not exist"}})


BAD = [
    (hang, 504),
    (hang_after_the_head, 504),
    (heartbeats_for_ever, 504),
    (no_http, 502),
    (a_page, 502),
    (no_json, 502),
    (the_wrong_json, 502),
    (a_choice_that_nobody_asked_for, 502),
    (nested_for_ever, 502),
    (a_line_of_100_mb, 502),
    (an_event_of_100_mb_in_lines, 502),
    (a_header_without_end, 502),
    (compressed, 502),
    (cut_at_once, 502),
    (empty, 502),
    (an_error_at_once, 502),
    (a_redirection, 502),
    (teapot, 502),
    (denied, 502),
    (unknown_there, 502),
]


class TestMisbehaviour:
    @pytest.mark.parametrize(("script", "status"), BAD, ids=lambda value: getattr(value, "__name__", ""))
    async def test_a_failing_upstream_gives_an_error_without_secrets_and_addresses(
        self, gateway: Gateway, upstream: UpstreamServer, script: object, status: int
    ) -> None:
        upstream.script = script  # type: ignore[assignment]
        await gateway.add(upstream.url)
        async with asyncio.timeout(5):
            error = await refused(gateway)
        assert error.status == status
        answer = json.dumps([error.message, error.code, error.detail, error.headers])
        for secret in ("sk-very", "127.0.0.1", "10.1.2.3", "169.254", "internal.example", "there", "elsewhere"):
            assert secret not in answer
        assert len(upstream.requests) == 1  # no redirection is followed, nothing is tried twice
        await until(lambda: bool(gateway.events()))
        row = gateway.events()["r1"]
        assert (row["outcome"], row["completion_tokens"], row["prompt_tokens"]) == ("failed", 0, 0)
        await until(lambda: not upstream.busy)

    @pytest.mark.parametrize("script", [script for script, _ in BAD], ids=lambda script: script.__name__)
    async def test_another_upstream_answers_after_a_failure_before_the_first_token(
        self, gateway: Gateway, upstream: UpstreamServer, script: object
    ) -> None:
        upstream.script = script  # type: ignore[assignment]
        await gateway.add(upstream.url, "first")
        async with upstream_server() as other:
            await gateway.add(other.url, "standby", weight=0)
            events = await gateway.whole()
        assert text(events) == "One two three"
        assert gateway.events()["r1"]["outcome"] == "completed"

    @pytest.mark.parametrize("how", ["cut", "end", "hang", "error", "garbage", "drip"])
    async def test_a_failure_in_mid_answer_is_an_error_and_received_tokens_are_charged(
        self, gateway: Gateway, upstream: UpstreamServer, how: str
    ) -> None:
        shown = asyncio.Event()

        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.say("One ", "two ")
            if how != "hang":
                await shown.wait()
            if how == "cut":
                connection.cut()
            elif how == "end":
                await connection.raw(b"0\r\n\r\n")
            elif how == "error":
                await connection.data('event: error\ndata: {"message": "overheated"}\n\n')
            elif how == "garbage":
                await connection.data("data: }\n\n")
            elif how == "drip":
                while True:
                    await connection.data("x")
                    await asyncio.sleep(0.02)
            if how == "hang":
                await connection.gone()

        upstream.script = script
        timeouts = Timeouts(connect=1, first_token=0.5, between=0.3, total=1.0) if how == "drip" else QUICK
        await gateway.add(upstream.url, timeouts=timeouts)
        async with upstream_server() as other:
            await gateway.add(other.url, "standby", weight=0)
            seen: list[Event] = []
            answer = await gateway.answer(gateway.request())
            with pytest.raises(ApiError) as caught:
                await collect(answer, seen, shown)
            assert other.requests == []  # never after the first token
        assert caught.value.status == (504 if how in ("hang", "drip") else 502)
        assert text(seen) == "One two "
        await until(lambda: bool(gateway.events()))
        row = gateway.events()["r1"]
        assert (row["outcome"], row["completion_tokens"]) == ("failed", 2)
        await until(lambda: not upstream.busy)

    async def test_an_upstream_that_is_not_running_is_unreachable(self, gateway: Gateway) -> None:
        async with upstream_server() as gone:
            url = gone.url
        await gateway.add(url)
        error = await refused(gateway)
        assert (error.status, error.code) == (502, "upstream_unreachable")

    async def test_an_answer_that_is_cut_after_its_finish_reason_is_complete(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        async def script(connection: Connection) -> None:
            await connection.begin()
            await connection.say("One")
            await connection.finish()
            connection.cut()

        upstream.script = script
        await gateway.add(upstream.url)
        assert (await gateway.whole())[-2:] == [Finished(0, "stop"), Usage(6, 1)]

    async def test_an_error_of_the_client_is_passed_on_without_names_and_addresses(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        async def script(connection: Connection) -> None:
            message = f"there at {upstream.url}/v1 (key sk-very-secret-key) wants temperature <= 1"
            await connection.answer(400, {"error": {"message": message, "code": "bad_temperature"}})

        upstream.script = script
        await gateway.add(upstream.url)
        async with upstream_server() as other:
            await gateway.add(other.url, "standby", weight=0)
            error = await refused(gateway)
            assert other.requests == []
        assert (error.status, error.code) == (400, "bad_temperature")
        assert error.message == "m at [address] (key [secret]) wants temperature <= 1"

    async def test_a_full_upstream_is_not_asked_for_as_long_as_it_says(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        async def script(connection: Connection) -> None:
            await connection.answer(429, {"error": {"message": "slow down"}}, retry_after="30")

        upstream.script = script
        await gateway.add(upstream.url)
        error = await refused(gateway)
        assert (error.status, error.type, error.retry_after) == (503, "overloaded", 30)
        error = await refused(gateway, request_id="r2")
        assert (error.status, error.code) == (503, "upstream_unavailable")
        assert error.retry_after is not None
        assert 25 <= error.retry_after <= 30
        assert len(upstream.requests) == 1

    async def test_the_operator_s_log_names_upstream_and_reason_without_the_key(
        self,
        gateway: Gateway,
        upstream: UpstreamServer,
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        upstream.script = denied
        await gateway.add(upstream.url)
        await refused(gateway)
        logged = capsys.readouterr().out + caplog.text  # either, by what configured the logs before
        assert "elsewhere" in logged
        assert "401" in logged
        assert "very-secret" not in logged


class TestRouting:
    async def test_each_upstream_gets_its_share_by_weight(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        async with upstream_server() as other, upstream_server() as standby:
            await gateway.add(upstream.url, "a", weight=300)
            await gateway.add(other.url, "b", weight=100)
            await gateway.add(standby.url, "c", weight=0)
            for number in range(40):
                await gateway.whole(request_id=f"r{number}")
            assert (len(upstream.requests), len(other.requests), len(standby.requests)) == (30, 10, 0)

    async def test_a_circuit_opens_after_failures_and_closes_after_a_probe(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        now = 1000.0
        upstream.script = teapot
        await gateway.add(upstream.url)
        [target] = gateway.registry.targets(MODEL)
        target.health.clock = lambda: now
        for number in range(5):
            await refused(gateway, request_id=f"r{number}")
        assert len(upstream.requests) == 3
        assert target.health.state == "open"
        assert b'aquilon:upstream_available{model_name="m",upstream="elsewhere"} 0.0' in gateway.metrics.text()
        now += 2.1
        await refused(gateway, request_id="r5")  # the probe
        assert (len(upstream.requests), target.health.state) == (4, "open")
        now += 2.1
        await refused(gateway, request_id="r6")  # twice the pause
        assert len(upstream.requests) == 4
        now += 2.1
        upstream.script = well
        assert text(await gateway.whole(request_id="r7")) == "One two three"
        assert target.health.state == "closed"

    async def test_only_one_request_probes_a_half_open_circuit(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        now = 1000.0
        upstream.script = teapot
        await gateway.add(upstream.url)
        [target] = gateway.registry.targets(MODEL)
        target.health.clock = lambda: now
        for number in range(3):
            await refused(gateway, request_id=f"r{number}")
        now += 2.1
        upstream.script = well
        answers = await asyncio.gather(
            *(gateway.whole(request_id=f"p{number}") for number in range(10)), return_exceptions=True
        )
        assert len(upstream.requests) == 4
        assert sum(isinstance(answer, list) for answer in answers) == 1

    async def test_a_chain_of_fallbacks_is_asked_in_its_order(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        upstream.script = teapot
        await gateway.add(upstream.url)
        async with upstream_server(teapot) as second, upstream_server() as third:
            await gateway.add(second.url, "second", model="m2")
            await gateway.add(third.url, "third", model="m3", remote="m-three")
            await administration.set_fallbacks(
                gateway.database, gateway.operator, model=MODEL, models=("m2", "nobody", "m3")
            )
            await gateway.registry.refresh()
            assert text(await gateway.whole()) == "One two three"
            assert third.requests[0].json["model"] == "m-three"
            assert (len(upstream.requests), len(second.requests)) == (1, 1)
        assert gateway.events()["r1"]["model"] == MODEL


async def test_a_change_by_another_process_counts_within_a_second(gateway: Gateway, upstream: UpstreamServer) -> None:
    assert _REFRESH_SECONDS < 1, "which is how long one look is from the next"
    stop = asyncio.Event()
    following = asyncio.create_task(gateway.registry.keep_fresh(stop))
    async with another_process(gateway) as other:
        await other.add(upstream.url)
        await until(lambda: bool(gateway.registry.cards()))
        [stored] = await administration.list_upstreams(other.database, other.sealer, other.operator)
        await administration.change(
            other.database, other.sealer, other.operator, id_or_name=stored.id, changes={"enabled": False}
        )
        await until(lambda: not gateway.registry.cards())
    stop.set()
    await following
