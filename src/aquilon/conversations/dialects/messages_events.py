"""``POST /v1/messages``: turns generation events into content blocks and into a stream's events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from aquilon.conversations.dialects.frames import frame
from aquilon.conversations.dialects.messages_answers import (
    AnswerBlock,
    BlockDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    InputJsonDelta,
    MessageBody,
    MessageDelta,
    MessageEvent,
    MessageStart,
    MessageStop,
    Ping,
    RedactedThinkingBlock,
    SignatureDelta,
    StopDelta,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    message_usage,
    usage_so_far,
)
from aquilon.conversations.dialects.messages_blocks import UNSIGNED
from aquilon.money.usage_event import Usage
from aquilon.people.secrets import new_id
from aquilon.request import Delta, Event, Finished, Started, ToolCallDelta

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}

_encoder = msgspec.json.Encoder()


def event_frame(event: MessageEvent) -> bytes:
    return f"event: {event.__struct_config__.tag}\n".encode() + frame(_encoder.encode(event))


PING = event_frame(Ping())


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an answer before it is written."""

    id: str
    model: str
    max_tokens: int
    """As the client sent it."""
    room: int
    """The most tokens that the answer can have: fewer than ``max_tokens`` if the context ends before."""
    shows_thoughts: bool = True
    """Whether blocks of thoughts have their text."""


@dataclass(kw_only=True)
class _Block:
    """A content block while it is written."""

    kind: Literal["text", "thinking", "redacted_thinking", "tool_use"]
    id: str = ""
    name: str = ""
    text: str = ""
    """Of a call: its input as JSON."""
    signature: str = ""
    """Of redacted thoughts: all that there is of them."""
    begun: bool = False
    sent: int = 0
    """Characters of ``text`` that the stream has."""

    @property
    def is_whole(self) -> bool:
        """Whether no more will come, once another block has begun. Calls may grow side by side, each up to the end of
        its JSON object; everything else grows only as the last block."""
        return self.kind != "tool_use" or (self.text.endswith("}") and _object(self.text) is not None)

    def empty(self) -> AnswerBlock:
        if self.kind == "redacted_thinking":
            return self.body()
        return _Block(kind=self.kind, id=self.id, name=self.name).body()

    def body(self) -> AnswerBlock:
        match self.kind:
            case "text":
                return TextBlock(self.text)
            case "thinking":
                return ThinkingBlock(self.text, self.signature)
            case "redacted_thinking":
                return RedactedThinkingBlock(self.signature)
            case "tool_use":
                return ToolUseBlock(self.id, self.name, _object(self.text) or {})


class MessageWriter:
    """Builds one message. Each method returns the events that a stream sends for it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.message = MessageBody(id=answer.id, model=answer.model, usage=usage_so_far(Started(0)))
        self._blocks: list[_Block] = []
        self._calls: dict[int, _Block] = {}
        self._current = 0
        """The block that the stream is at."""
        self._finished = Finished(0, "stop")

    def add(self, event: Event) -> Iterator[MessageEvent]:
        """The first event of an answer is its Started, the last its Usage."""
        match event:
            case Started():
                model = event.stand_in or self.message.model
                self.message = msgspec.structs.replace(self.message, model=model, usage=usage_so_far(event))
                yield MessageStart(self.message)
                yield Ping()
            case Delta():
                self._add_text(event)
            case ToolCallDelta():
                self._add_call(event)
            case Finished():
                self._finished = event
            case Usage():
                yield from self._end(event)
                return
        yield from self._progress()

    def _add_text(self, event: Delta) -> None:
        if event.reasoning or event.signature:
            block = self._last("thinking")
            if self._answer.shows_thoughts:
                block.text += event.reasoning
            block.signature = event.signature
        if event.redacted:
            self._blocks.append(_Block(kind="redacted_thinking", signature=event.redacted))
        if event.text:
            self._last("text").text += event.text

    def _last(self, kind: Literal["text", "thinking"]) -> _Block:
        """The last block if it is of this kind and can grow, else a new one."""
        last = self._blocks[-1] if self._blocks else None
        if last is None or last.kind != kind or last.signature:
            last = _Block(kind=kind)
            self._blocks.append(last)
        return last

    def _add_call(self, event: ToolCallDelta) -> None:
        block = self._calls.get(event.call)
        if block is None:
            block = _Block(kind="tool_use", id=event.id or new_id("toolu"), name=event.name)
            self._calls[event.call] = block
            self._blocks.append(block)
        block.text += event.arguments

    def _progress(self, *, ends: bool = False) -> Iterator[MessageEvent]:
        """What the stream can send now. It sends one block after the other."""
        while self._current < len(self._blocks):
            block, index = self._blocks[self._current], self._current
            if not block.begun:
                block.begun = True
                yield ContentBlockStart(index, block.empty())
            if block.sent < len(block.text):
                yield ContentBlockDelta(index, _delta(block))
                block.sent = len(block.text)
            is_last = index == len(self._blocks) - 1
            if not ends and (is_last or not block.is_whole):
                return
            if block.kind == "thinking":
                block.signature = block.signature or UNSIGNED
                yield ContentBlockDelta(index, SignatureDelta(block.signature))
            yield ContentBlockStop(index)
            self._current += 1

    def _end(self, usage: Usage) -> Iterator[MessageEvent]:
        yield from self._progress(ends=True)
        finished, reason = self._finished, _REASONS[self._finished.reason]
        if finished.stop is not None and finished.reason == "stop":
            reason = "stop_sequence"
        if finished.reason == "length" and self._answer.room < self._answer.max_tokens:
            reason = "model_context_window_exceeded"
        stop = finished.stop if reason == "stop_sequence" else None
        self.message = msgspec.structs.replace(
            self.message,
            content=[block.body() for block in self._blocks],
            stop_reason=reason,
            stop_sequence=stop,
            usage=message_usage(usage),
        )
        yield MessageDelta(StopDelta(reason, stop), self.message.usage)
        yield MessageStop()


async def whole_message(events: AsyncGenerator[Event], answer: Answer) -> bytes:
    """The MessageBody as JSON, once the answer is whole."""
    writer = MessageWriter(answer)
    async with aclosing(events):
        async for event in events:
            for _ in writer.add(event):
                pass
    return _encoder.encode(writer.message)


async def message_frames(events: AsyncGenerator[Event], answer: Answer) -> AsyncGenerator[bytes]:
    """Server-sent frames."""
    writer = MessageWriter(answer)
    async with aclosing(events):
        async for event in events:
            if frames := b"".join(map(event_frame, writer.add(event))):
                yield frames


def _delta(block: _Block) -> BlockDelta:
    more = block.text[block.sent :]
    match block.kind:
        case "text":
            return TextDelta(more)
        case "thinking":
            return ThinkingDelta(more)
        case _:
            return InputJsonDelta(more)


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object, or None if the text isn't one."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return value if isinstance(value, dict) else None
