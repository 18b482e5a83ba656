"""``POST /v1/responses``: turns generation events into output items and into a stream's typed events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec
from msgspec import UNSET

from aquilon.api.errors import api_error
from aquilon.api.event_stream import frame
from aquilon.api.generation.responses_answers import (
    CustomToolCallItem,
    FunctionCallItem,
    IncompleteDetails,
    MessageItem,
    OutputItem,
    OutputLogprob,
    OutputText,
    ReasoningItem,
    ReasoningText,
    ResponseBody,
    ResponseError,
    output_logprobs,
    response_usage,
)
from aquilon.api.generation.responses_tools import CalledTool, InputReader, called_tools, input_of_arguments
from aquilon.money.usage_event import Usage
from aquilon.people.secrets import new_id
from aquilon.request import Delta, Event, Finished, FinishedReason, ScoredToken, ToolCallDelta


class ResponseEvent(msgspec.Struct, frozen=True):
    """``response.created``, ``.in_progress``, and one of ``.completed``, ``.incomplete`` and ``.failed``."""

    type: str
    sequence_number: int
    response: ResponseBody


class OutputItemEvent(msgspec.Struct, frozen=True):
    """``response.output_item.added`` and ``.done``."""

    type: str
    sequence_number: int
    output_index: int
    item: OutputItem


class ContentPartEvent(msgspec.Struct, frozen=True):
    """``response.content_part.added`` and ``.done``."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: OutputText | ReasoningText


class TextEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """``response.output_text`` and ``response.reasoning_text``: ``.delta`` and ``.done``."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str | None = None
    text: str | None = None
    logprobs: list[OutputLogprob] | None = None


class ArgumentsEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """``response.function_call_arguments.delta`` and ``.done``."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    delta: str | None = None
    arguments: str | None = None
    name: str | None = None


class CustomInputEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """``response.custom_tool_call_input.delta`` and ``.done``."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    delta: str | None = None
    input: str | None = None


StreamEvent = ResponseEvent | OutputItemEvent | ContentPartEvent | TextEvent | ArgumentsEvent | CustomInputEvent
STREAM_EVENTS: tuple[type[msgspec.Struct], ...] = get_args(StreamEvent)
Kind = Literal["message", "reasoning", "function_call", "custom_tool_call"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]
_NO_TOOL = CalledTool("")


@dataclass(kw_only=True)
class _Item:
    """An output item while it is written."""

    index: int
    id: str
    kind: Kind
    call_id: str = ""
    tool: CalledTool = _NO_TOOL
    text: str = ""
    """For a call: its arguments."""
    input: InputReader = field(default_factory=InputReader)
    """For a call of a custom tool: what was sent of its input."""
    tokens: list[ScoredToken] = field(default_factory=list)
    status: ItemStatus = "in_progress"

    @property
    def part(self) -> OutputText | ReasoningText:
        if self.kind == "reasoning":
            return ReasoningText(self.text)
        return OutputText(self.text, output_logprobs(tuple(self.tokens)))

    @property
    def is_call(self) -> bool:
        return self.kind in ("function_call", "custom_tool_call")

    def body(self) -> OutputItem:
        namespace = self.tool.namespace or UNSET
        if self.kind == "function_call":
            return FunctionCallItem(self.id, self.status, self.call_id, self.tool.name, self.text, namespace)
        if self.kind == "custom_tool_call":
            written = "" if self.status == "in_progress" else input_of_arguments(self.text)
            return CustomToolCallItem(self.id, self.status, self.call_id, self.tool.name, written, namespace)
        part, ended = self.part, self.status != "in_progress"
        if isinstance(part, ReasoningText):
            return ReasoningItem(self.id, self.status, [part] if ended else [])
        return MessageItem(self.id, self.status, [part] if ended else [])


class Writing:
    """Builds one response. Each method returns the events that a stream sends for it."""

    def __init__(self, response: ResponseBody) -> None:
        """``response``: as it is before its first item."""
        self.response = response
        self._number = -1
        self._items: list[_Item] = []
        self._tools = called_tools(response.tools)
        self._calls: dict[int, _Item] = {}
        self._reason: FinishedReason = "stop"

    def begin(self) -> Iterator[StreamEvent]:
        yield self._lifecycle("response.created")
        yield self._lifecycle("response.in_progress")

    def add(self, event: Event) -> Iterator[StreamEvent]:
        """The last event of a response is its Usage, which comes once it is recorded."""
        if isinstance(event, Delta):
            yield from self._text("reasoning", event.reasoning, ())
            yield from self._text("message", event.text, event.tokens)
        elif isinstance(event, ToolCallDelta):
            yield from self._arguments(event)
        elif isinstance(event, Finished):
            self._reason = event.reason
        elif isinstance(event, Usage):
            yield from self._end(event)
        elif event.stand_in:
            self.response = msgspec.structs.replace(self.response, model=event.stand_in)

    def fail(self, error: Exception) -> Iterator[StreamEvent]:
        failure = api_error(error)
        self.response = msgspec.structs.replace(
            self.response,
            status="failed",
            output=[item.body() for item in self._items],
            error=ResponseError(failure.code or failure.type, failure.message),
        )
        yield self._lifecycle("response.failed")

    def _text(
        self, kind: Literal["message", "reasoning"], text: str, tokens: tuple[ScoredToken, ...]
    ) -> Iterator[StreamEvent]:
        if not text and not tokens:
            return
        item = self._items[-1] if self._items else None
        if item is None or item.kind != kind or item.status != "in_progress":
            item = yield from self._open(kind)
        item.text += text
        item.tokens += tokens
        name, scores = ("output_text", output_logprobs(tokens)) if kind == "message" else ("reasoning_text", None)
        yield TextEvent(f"response.{name}.delta", self._next(), item.id, item.index, 0, delta=text, logprobs=scores)

    def _arguments(self, event: ToolCallDelta) -> Iterator[StreamEvent]:
        item = self._calls.get(event.call)
        if item is None:
            tool = self._tools.get(event.name, CalledTool(event.name))
            kind: Kind = "custom_tool_call" if tool.custom else "function_call"
            item = self._calls[event.call] = yield from self._open(kind, event.id, tool)
        item.text += event.arguments
        if item.kind == "custom_tool_call":
            if more := item.input.read(event.arguments):
                name = "response.custom_tool_call_input.delta"
                yield CustomInputEvent(name, self._next(), item.id, item.index, delta=more)
        elif event.arguments:
            name = "response.function_call_arguments.delta"
            yield ArgumentsEvent(name, self._next(), item.id, item.index, delta=event.arguments)

    def _open(self, kind: Kind, call_id: str = "", tool: CalledTool = _NO_TOOL) -> Generator[StreamEvent, None, _Item]:
        """A text or thought ends when the next item starts; calls may grow side by side until the end."""
        if self._items and not self._items[-1].is_call:
            yield from self._close(self._items[-1], "completed")
        prefix = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}[kind]
        item = _Item(index=len(self._items), id=new_id(prefix), kind=kind, call_id=call_id, tool=tool)
        self._items.append(item)
        yield OutputItemEvent("response.output_item.added", self._next(), item.index, item.body())
        if not item.is_call:
            yield ContentPartEvent("response.content_part.added", self._next(), item.id, item.index, 0, item.part)
        return item

    def _close(self, item: _Item, status: ItemStatus) -> Iterator[StreamEvent]:
        if item.status != "in_progress":
            return
        item.status = status
        if item.kind == "function_call":
            yield ArgumentsEvent(
                "response.function_call_arguments.done",
                self._next(),
                item.id,
                item.index,
                arguments=item.text,
                name=item.tool.name,
            )
        elif item.kind == "custom_tool_call":
            written, name = input_of_arguments(item.text), "response.custom_tool_call_input"
            sent = len(item.input.text)
            if written[:sent] == item.input.text and written[sent:]:
                yield CustomInputEvent(f"{name}.delta", self._next(), item.id, item.index, delta=written[sent:])
            yield CustomInputEvent(f"{name}.done", self._next(), item.id, item.index, input=written)
        else:
            part = item.part
            name = "output_text" if item.kind == "message" else "reasoning_text"
            scores = part.logprobs if isinstance(part, OutputText) else None
            yield TextEvent(
                f"response.{name}.done", self._next(), item.id, item.index, 0, text=item.text, logprobs=scores
            )
            yield ContentPartEvent("response.content_part.done", self._next(), item.id, item.index, 0, part)
        yield OutputItemEvent("response.output_item.done", self._next(), item.index, item.body())

    def _end(self, usage: Usage) -> Iterator[StreamEvent]:
        if not self._items:
            yield from self._open("message")
        incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(self._reason)
        for item in self._items:
            last = item is self._items[-1]
            yield from self._close(item, "incomplete" if incomplete and last else "completed")
        self.response = msgspec.structs.replace(
            self.response,
            status="incomplete" if incomplete else "completed",
            completed_at=None if incomplete else int(time.time()),
            incomplete_details=IncompleteDetails(incomplete) if incomplete else None,
            output=[item.body() for item in self._items],
            usage=response_usage(usage),
        )
        yield self._lifecycle(f"response.{self.response.status}")

    def _lifecycle(self, type_: str) -> ResponseEvent:
        return ResponseEvent(type_, self._next(), self.response)

    def _next(self) -> int:
        self._number += 1
        return self._number


async def whole_answer(events: AsyncGenerator[Event], response: ResponseBody) -> bytes:
    """The ResponseBody as JSON, once the answer is whole. ``response``: as it is before its first item."""
    writing = Writing(response)
    async with aclosing(events):
        async for event in events:
            for _ in writing.add(event):
                pass
    return msgspec.json.encode(writing.response)


async def frames(events: AsyncGenerator[Event], response: ResponseBody) -> AsyncGenerator[bytes]:
    """Server-sent frames. A failure before the first frame is raised; a later one becomes ``response.failed``."""
    writing, encoder = Writing(response), msgspec.json.Encoder()

    def event_frame(event: StreamEvent) -> bytes:
        return f"event: {event.type}\n".encode() + frame(encoder.encode(event))

    async with aclosing(events):
        first = list(writing.add(await anext(events)))  # a Started, which sets the model of the events below
        for stream_event in (*writing.begin(), *first):
            yield event_frame(stream_event)
        try:
            async for event in events:
                for stream_event in writing.add(event):
                    yield event_frame(stream_event)
        except Exception as error:
            for stream_event in writing.fail(error):
                yield event_frame(stream_event)
