"""Streams of upstreams in their dialects of OpenAI's chunks: nothing is lost, and calls are kept apart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.upstream_gateway import Gateway, open_gateway, text
from tests.support.upstream_server import Connection, UpstreamServer, upstream_server

from aquilon.errors import ApiError
from aquilon.request import Delta, Event, Finished, ToolCallDelta
from aquilon.upstreams.calls import StreamedCalls
from aquilon.upstreams.chunks import CallPiece, FunctionPiece, SurrogateJoiner, read_chunk
from aquilon.upstreams.event_decoder import EventDecoder


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path) as opened:
        yield opened


@pytest.fixture
async def upstream() -> AsyncIterator[UpstreamServer]:
    async with upstream_server() as running:
        yield running


def calls_of(events: list[Event] | list[ToolCallDelta]) -> list[tuple[str, str]]:
    """Name and arguments of each call, put together as a client does."""
    calls: list[tuple[str, str]] = []
    for event in events:
        if isinstance(event, ToolCallDelta):
            if event.call == len(calls):
                assert event.id
                calls.append((event.name, ""))
            calls[event.call] = (calls[event.call][0], calls[event.call][1] + event.arguments)
    return calls


def a_chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish, **more}]}


def a_call(**function: Any) -> dict[str, Any]:
    call = {name: function.pop(name) for name in ("index", "id", "extra_content") if name in function}
    return {"tool_calls": [{"index": 0, **call, "type": "function", "function": function}]}


async def streamed(gateway: Gateway, upstream: UpstreamServer, *chunks: dict[str, Any] | str) -> list[Event]:
    async def script(connection: Connection) -> None:
        await connection.begin()
        for chunk in chunks:
            await connection.data(f"data: {chunk}\n\n" if isinstance(chunk, str) else f"data: {json.dumps(chunk)}\n\n")
        await connection.end()

    upstream.script = script
    await gateway.add(upstream.url)
    return await gateway.whole()


class Dialect:
    """How a server writes a piece of a call. ``call`` counts calls from 0, ``serial`` counts pieces."""

    def piece(self, call: int, *, first: bool, name: str, arguments: str, serial: int) -> list[CallPiece]:
        raise NotImplementedError


class Numbered(Dialect):
    """OpenAI's: a number for each call, its id and name with the first piece."""

    def piece(self, call: int, *, first: bool, name: str, arguments: str, serial: int) -> list[CallPiece]:
        return [CallPiece(call, f"c{call}" if first else None, FunctionPiece(name if first else None, arguments))]


class AllNumberZero(Dialect):
    """Gemini's numbers, with id and name in each piece."""

    def piece(self, call: int, *, first: bool, name: str, arguments: str, serial: int) -> list[CallPiece]:
        return [CallPiece(0, f"c{call}", FunctionPiece(name, arguments))]


class WithoutNumbers(Dialect):
    def piece(self, call: int, *, first: bool, name: str, arguments: str, serial: int) -> list[CallPiece]:
        return [CallPiece(None, f"c{call}", FunctionPiece(name if first else None, arguments))]


class NamesAlone(Dialect):
    """Neither numbers nor ids."""

    def piece(self, call: int, *, first: bool, name: str, arguments: str, serial: int) -> list[CallPiece]:
        return [CallPiece(0, "", FunctionPiece(name if first else "", arguments))]


class AnIdEachPiece(Dialect):
    """A new id for every piece, as servers send that fill in a default."""

    def piece(self, call: int, *, first: bool, name: str, arguments: str, serial: int) -> list[CallPiece]:
        return [CallPiece(call, f"made-up-{serial}", FunctionPiece(name if first else None, arguments))]


class LateNames(Dialect):
    def piece(self, call: int, *, first: bool, name: str, arguments: str, serial: int) -> list[CallPiece]:
        named = CallPiece(call, None, FunctionPiece(name if first else None, arguments))
        return [CallPiece(call, f"c{call}", FunctionPiece(None, "")), named] if first else [named]


ARGUMENTS = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.none(), max_size=3)


@given(
    st.sampled_from([Numbered(), AllNumberZero(), WithoutNumbers(), NamesAlone(), AnIdEachPiece(), LateNames()]),
    st.lists(st.tuples(st.sampled_from(["f", "g"]), ARGUMENTS), max_size=4),
    st.randoms(use_true_random=False),
)
def test_calls_are_the_same_in_every_dialect_however_their_arguments_are_cut(
    dialect: Dialect, calls: list[tuple[str, dict[str, Any]]], random: Any
) -> None:
    streamed_calls, events, serial = StreamedCalls(0, SurrogateJoiner()), [], 0
    for number, (name, arguments) in enumerate(calls):
        rest, first = json.dumps(arguments), True
        while rest:
            size = random.randint(1, len(rest))
            for piece in dialect.piece(number, first=first, name=name, arguments=rest[:size], serial=serial):
                events.append(streamed_calls.add(piece))
            rest, first, serial = rest[size:], False, serial + 1
    deltas = [event for event in events if event is not None] + streamed_calls.finish(cut=False)
    assert calls_of(deltas) == [(name, json.dumps(arguments)) for name, arguments in calls]


class TestCalls:
    @pytest.mark.parametrize(
        "pieces",
        [
            [a_call(id="c1", name="f", arguments="")],
            [a_call(id="c1", name="f", arguments=None)],
            [a_call(id="c1", name="f")],
            [a_call(id="c1", name=None, arguments=""), a_call(name="f", arguments="{}")],
            [a_call(id="c1", name="f", arguments={})],
            [{"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"arguments": "}"}}],
            [a_call(id="c1", name="f", arguments="{}"), a_call(index=1, arguments="")],
        ],
        ids=["empty", "null", "none", "a late name", "an object", "the older form", "a blank piece after it"],
    )
    async def test_a_call_without_arguments_has_an_empty_object(
        self, gateway: Gateway, upstream: UpstreamServer, pieces: list[dict[str, Any]]
    ) -> None:
        events = await streamed(gateway, upstream, *map(a_chunk, pieces), a_chunk(finish="tool_calls"))
        assert calls_of(events) == [("f", "{}")]
        assert Finished(0, "tool_calls") in events

    async def test_a_call_that_was_cut_keeps_the_arguments_that_it_has(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        events = await streamed(gateway, upstream, a_chunk(a_call(id="c", name="f")), a_chunk(finish="length"))
        assert calls_of(events) == [("f", "")]
        assert Finished(0, "length") in events

    async def test_google_s_extra_content_comes_with_its_call(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        signature = {"google": {"thought_signature": "s"}}
        piece = a_chunk(a_call(id="c", name="f", arguments="{}", extra_content=signature))
        events = await streamed(gateway, upstream, piece, a_chunk(finish="stop"))
        [call] = [event for event in events if isinstance(event, ToolCallDelta)]
        assert call.extra == signature


class TestReasons:
    @pytest.mark.parametrize(
        "server_reason", ["stop", "STOP", "tool_use", "end_turn", "tool_calls", "function_call", "other"]
    )
    async def test_an_answer_ends_with_tool_calls_if_and_only_if_it_has_calls(
        self, gateway: Gateway, upstream: UpstreamServer, server_reason: str
    ) -> None:
        call = a_chunk(a_call(id="c", name="f", arguments="{}"))
        assert Finished(0, "tool_calls") in await streamed(gateway, upstream, call, a_chunk(finish=server_reason))

        async def only_text(connection: Connection) -> None:
            await connection.begin()
            await connection.say("No.")
            await connection.finish(server_reason)
            await connection.end()

        upstream.script = only_text
        assert Finished(0, "stop") in await gateway.whole(request_id="r2")

    async def test_an_answer_with_calls_and_no_reason_ends_with_tool_calls(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        events = await streamed(gateway, upstream, a_chunk(a_call(id="c", name="f", arguments="{}")))
        assert Finished(0, "tool_calls") in events

    @pytest.mark.parametrize(
        ("server_reason", "reason"),
        [("MAX_TOKENS", "length"), ("LENGTH", "length"), ("model_length", "length"), ("SAFETY", "content_filter")],
    )
    async def test_other_servers_reasons_for_a_cut_and_a_filter_are_understood(
        self, gateway: Gateway, upstream: UpstreamServer, server_reason: str, reason: Any
    ) -> None:
        call = a_chunk(a_call(id="c", name="f", arguments='{"a'))
        assert Finished(0, reason) in await streamed(gateway, upstream, call, a_chunk(finish=server_reason))

    @pytest.mark.parametrize("server_reason", ["error", "abort", "insufficient_system_resource"])
    async def test_an_answer_that_the_server_broke_off_is_an_error(
        self, gateway: Gateway, upstream: UpstreamServer, server_reason: str
    ) -> None:
        with pytest.raises(ApiError) as caught:
            await streamed(gateway, upstream, a_chunk({"content": "a"}), a_chunk(finish=server_reason))
        assert caught.value.status == 502


def halves_of(text: str) -> list[str]:
    """The text's UTF-16 code units, as ASCII JSON writes them."""
    return [chr(unit) for unit in memoryview(text.encode("utf-16-le")).cast("H")]


class TestTexts:
    @given(st.text(alphabet=st.sampled_from("aé😀👩\u200d🚀"), max_size=12), st.randoms(use_true_random=False))
    def test_a_character_may_be_cut_in_two_by_chunks(self, text: str, random: Any) -> None:
        joiner, seen, units = SurrogateJoiner(), "", halves_of(text)
        while units:
            size = random.randint(1, len(units))
            piece, units = "".join(units[:size]), units[size:]
            chunk, has_halves = read_chunk(json.dumps(a_chunk({"content": piece})).encode())
            assert chunk.choices is not None
            assert chunk.choices[0].delta is not None
            content = chunk.choices[0].delta.content
            assert isinstance(content, str)
            seen += joiner.join(0, "text", content) if has_halves or joiner else content
        assert seen + joiner.take_rest(0, "text") == text

    async def test_surrogate_pairs_are_joined_in_contents_thoughts_and_arguments(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        first, second = halves_of("😀")
        pieces: list[dict[str, Any]] = []
        for half in ("a" + first, second + "b"):
            pieces += [{"content": half}, {"reasoning_content": half}]
        pieces += [a_call(id="c", name="f", arguments='{"x": "' + first), a_call(arguments=second + '"}')]
        events = await streamed(gateway, upstream, *map(a_chunk, pieces), a_chunk(finish="stop"))
        assert text(events) == "a😀b"
        assert "".join(event.reasoning for event in events if isinstance(event, Delta)) == "a😀b"
        assert calls_of(events) == [("f", '{"x": "😀"}')]

    async def test_a_lone_surrogate_becomes_one_replacement_character(
        self, gateway: Gateway, upstream: UpstreamServer
    ) -> None:
        first, second = halves_of("😀")
        chunks = (a_chunk({"content": second + "a" + first}), a_chunk({"content": "b" + first}), a_chunk(finish="stop"))
        assert text(await streamed(gateway, upstream, *chunks)) == "\ufffda\ufffdb\ufffd"

    @pytest.mark.parametrize("number", ["-Infinity", "NaN", "null"])
    async def test_a_log_probability_that_is_not_finite_becomes_the_lowest(
        self, gateway: Gateway, upstream: UpstreamServer, number: str
    ) -> None:
        other = f'{{"token": "J", "logprob": {number}}}'
        score = f'{{"token": "Hello", "logprob": {number}, "bytes": null, "top_logprobs": [{other}]}}'
        chunk = f'{{"choices": [{{"delta": {{"content": "Hello"}}, "logprobs": {{"content": [{score}]}}}}]}}'
        events = await streamed(gateway, upstream, chunk, a_chunk(finish="stop"))
        assert text(events) == "Hello"
        [token] = [token for event in events if isinstance(event, Delta) for token in event.tokens]
        assert (token.logprob, token.top[0].logprob) == (-9999.0, -9999.0)

    async def test_parts_without_text_are_skipped(self, gateway: Gateway, upstream: UpstreamServer) -> None:
        parts = [{"type": "text", "text": None}, {"type": "thinking", "thinking": [{"text": None}]}]
        chunks = a_chunk({"content": [*parts, {"type": "text", "text": "a"}]}), a_chunk(finish="stop")
        assert text(await streamed(gateway, upstream, *chunks)) == "a"

    @given(st.integers(1, 12))
    def test_one_byte_order_mark_before_the_first_event_is_skipped(self, size: int) -> None:
        decoder, events = EventDecoder(), []
        data = "\ufeffdata: one\n\ndata: \ufefftwo\n\n".encode()
        for start in range(0, len(data), size):
            events += decoder.feed(data[start : start + size])
        assert [event.data.decode() for event in events] == ["one", "\ufefftwo"]
