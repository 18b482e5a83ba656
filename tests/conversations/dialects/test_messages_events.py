"""Generation events become Anthropic's content blocks, and its client's own types read each of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import anthropic.types
import msgspec
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent, TextBlock, ThinkingBlock, ToolUseBlock
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from aquilon.conversations.dialects.messages_blocks import UNSIGNED
from aquilon.conversations.dialects.messages_events import Answer, MessageWriter, message_frames
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Event, Finished, Started, ToolCallDelta

ANSWER = Answer(id="msg_1", model="m", max_tokens=100, room=100)
READER: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def answered(events: Sequence[Event], answer: Answer = ANSWER) -> tuple[Message, list[Any]]:
    """The whole message, and the events of its stream, as the client's types read them."""
    writer = MessageWriter(answer)
    sent = [json.loads(msgspec.json.encode(event)) for event in events_of(events) for event in writer.add(event)]
    message = Message.model_validate_json(msgspec.json.encode(writer.message), strict=True)
    return message, [READER.validate_python(event) for event in sent if event["type"] != "ping"]


def events_of(events: Sequence[Event]) -> list[Event]:
    return [Started(0, prompt_tokens=7, cached_tokens=2), *events, Usage(7, 5, 2, 0)]


def reassembled(stream: Sequence[Any]) -> Message:
    """The message that the client's own accumulator makes of a stream."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in stream:
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    return Message.model_validate(snapshot.to_dict())


def call(number: int, *arguments: str, name: str = "look") -> list[Event]:
    first, *others = arguments or ("",)
    return [
        ToolCallDelta(0, number, id=f"call_{number}", name=name, arguments=first),
        *(ToolCallDelta(0, number, arguments=more) for more in others),
    ]


WORDS = st.text(min_size=1, max_size=5)
INPUTS = st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=2)
DELTAS = (
    st.builds(lambda text: Delta(0, "", reasoning=text), WORDS)
    | st.builds(lambda text: Delta(0, text), WORDS)
    | st.sampled_from([Delta(0, "", signature="EqQB"), Delta(0, "", redacted="Emw=")])
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Thoughts, texts and calls in any order; calls may grow side by side, in any pieces."""
    calls: list[list[Event]] = []
    for number, inputs in enumerate(draw(st.lists(INPUTS, max_size=3))):
        body = json.dumps(inputs)
        cut = draw(st.integers(0, len(body)))
        calls.append(call(number, body[:cut], body[cut:]))
    events: list[Event] = []
    for delta, number in draw(st.lists(st.tuples(DELTAS, st.integers(0, 5)), max_size=8)):
        if number < len(calls) and calls[number]:
            events.append(calls[number].pop(0))
        else:
            events.append(delta)
    events += [event for rest in calls for event in rest]
    return [*events, Finished(0, "tool_calls" if calls else "stop")]


@given(answers())
def test_a_stream_s_deltas_make_the_whole_answer(events: list[Event]) -> None:
    message, stream = answered(events)
    assert reassembled(stream).content == message.content


@given(answers())
def test_blocks_come_one_after_the_other_and_lose_nothing(events: list[Event]) -> None:
    message, stream = answered(events)
    open_blocks: list[int] = []
    numbers = []
    for event in stream:
        if event.type == "content_block_start":
            assert not open_blocks
            open_blocks.append(event.index)
            numbers.append(event.index)
        elif event.type == "content_block_delta":
            assert open_blocks == [event.index]
        elif event.type == "content_block_stop":
            assert open_blocks.pop() == event.index
    assert numbers == list(range(len(message.content)))
    text = "".join(block.text for block in message.content if isinstance(block, TextBlock))
    thoughts = "".join(block.thinking for block in message.content if isinstance(block, ThinkingBlock))
    assert text == "".join(event.text for event in events if isinstance(event, Delta))
    assert thoughts == "".join(event.reasoning for event in events if isinstance(event, Delta))


def test_thoughts_come_before_the_text_with_a_signature_at_their_end() -> None:
    message, stream = answered(
        [Delta(0, "", reasoning="Hm"), Delta(0, "", reasoning="m"), Delta(0, "Yes"), Finished(0, "stop")]
    )
    assert message.content == [
        ThinkingBlock(type="thinking", thinking="Hmm", signature=UNSIGNED),
        TextBlock(type="text", text="Yes", citations=None),
    ]
    assert [event.type for event in stream] == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_delta", "content_block_delta"),
        *("content_block_stop", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert stream[4].delta.signature == UNSIGNED


def test_thoughts_are_left_out_of_their_blocks_on_request() -> None:
    answer = msgspec.structs.replace(ANSWER, shows_thoughts=False)
    message, stream = answered([Delta(0, "", reasoning="Hm", signature="EqQB"), Finished(0, "stop")], answer)
    assert message.content == [ThinkingBlock(type="thinking", thinking="", signature="EqQB")]
    assert reassembled(stream).content == message.content


def test_parallel_calls_become_blocks_with_the_upstream_s_ids() -> None:
    first, second = call(0, '{"at":', '"Paris"}'), call(1, '{"at":"Rome"}')
    message, stream = answered([first[0], second[0], first[1], Finished(0, "tool_calls")])
    assert message.stop_reason == "tool_use"
    assert message.content == reassembled(stream).content
    calls = [(block.id, block.input) for block in message.content if isinstance(block, ToolUseBlock)]
    assert calls == [("call_0", {"at": "Paris"}), ("call_1", {"at": "Rome"})]


def test_a_call_that_was_cut_has_no_input() -> None:
    message, _ = answered([*call(0, '{"at":"Par'), Finished(0, "length")])
    [block] = message.content
    assert isinstance(block, ToolUseBlock)
    assert (block.input, message.stop_reason) == ({}, "max_tokens")


@pytest.mark.parametrize(
    ("finished", "room", "reason", "sequence"),
    [
        (Finished(0, "stop"), 100, "end_turn", None),
        (Finished(0, "stop", "END"), 100, "stop_sequence", "END"),
        (Finished(0, "length"), 100, "max_tokens", None),
        (Finished(0, "length"), 5, "model_context_window_exceeded", None),
        (Finished(0, "content_filter"), 100, "refusal", None),
    ],
)
def test_the_reason_of_the_end(finished: Finished, room: int, reason: str, sequence: str | None) -> None:
    answer = msgspec.structs.replace(ANSWER, room=room)
    message, stream = answered([Delta(0, "a"), finished], answer)
    assert (message.stop_reason, message.stop_sequence) == (reason, sequence)
    assert (stream[-2].delta.stop_reason, stream[-2].delta.stop_sequence) == (reason, sequence)


def test_cached_tokens_are_counted_apart() -> None:
    message, stream = answered([Delta(0, "a"), Finished(0, "stop")])
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (5, 2, 0)
    assert usage.output_tokens == 5
    start = stream[0].message.usage
    assert (start.input_tokens, start.cache_read_input_tokens, start.output_tokens) == (5, 2, 0)
    assert stream[-2].usage.input_tokens == 5


async def test_frames_have_the_names_of_their_events() -> None:
    async def events() -> AsyncIterator[Event]:
        for event in events_of([Delta(0, "a"), Finished(0, "stop")]):
            yield event

    lines = b"".join([frames async for frames in message_frames(events(), ANSWER)]).decode().splitlines()  # type: ignore[arg-type]
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    types = [json.loads(line.removeprefix("data: "))["type"] for line in lines if line.startswith("data: ")]
    assert names == types
    assert names[:2] == ["message_start", "ping"]
    assert names[-1] == "message_stop"


def test_the_client_knows_every_reason() -> None:
    reasons = set(anthropic.types.StopReason.__args__)  # type: ignore[attr-defined]
    assert {
        "end_turn",
        "max_tokens",
        "tool_use",
        "refusal",
        "stop_sequence",
        "model_context_window_exceeded",
    } <= reasons
