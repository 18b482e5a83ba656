"""``/v1/responses``: turns the events of an answer into output items and into a stream's typed events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, cast, get_args

import msgspec

from aquilon.conversations.answer import (
    Answer,
    AnswerItem,
    Change,
    ItemCited,
    ItemEnded,
    ItemGrew,
    ItemStarted,
    partial_items,
)
from aquilon.conversations.dialects.frames import frame
from aquilon.conversations.dialects.item_bodies import (
    MessageItemBody,
    OutputItem,
    OutputLogprob,
    OutputTextBody,
    ReasoningBody,
    ReasoningTextBody,
    call_body,
    output_logprobs,
    search_body,
    without_results,
)
from aquilon.conversations.dialects.responses_answers import (
    ResponseBody,
    ResponseError,
    incomplete_details,
    response_error,
    response_usage,
)
from aquilon.conversations.dialects.responses_tools import InputReader, called_tools, input_of_arguments
from aquilon.conversations.footnotes import Checked, Cited, Footnote, Searched
from aquilon.conversations.items import CallItem, Item
from aquilon.conversations.run import CANCELLED, RunEnded, RunEvent
from aquilon.errors import ApiError
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Event, Finished, FinishedReason, Started, ToolCallDelta


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
    part: OutputTextBody | ReasoningTextBody


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


class AnnotationEvent(msgspec.Struct, frozen=True):
    """``response.output_text.annotation.added``: whether the source supports the sentence is known at its end."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    annotation_index: int
    annotation: dict[str, Any]


class FileSearchEvent(msgspec.Struct, frozen=True):
    """``response.file_search_call.in_progress``, ``.searching`` and ``.completed``."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int


StreamEvent = (
    ResponseEvent
    | OutputItemEvent
    | ContentPartEvent
    | TextEvent
    | ArgumentsEvent
    | CustomInputEvent
    | AnnotationEvent
    | FileSearchEvent
)
STREAM_EVENTS: tuple[type[msgspec.Struct], ...] = get_args(StreamEvent)


class Writing:
    """Builds one response. Each method returns the events that a stream sends for it.

    The same events of an answer give the same ids and numbers each time, so that a reader can come back.
    """

    def __init__(self, response: ResponseBody, *, shows_results: bool = False) -> None:
        """``response``: as it is before its first item. ``shows_results``: whether a search shows what it found."""
        self.response = response
        self._shows_results = shows_results
        self._number = -1
        self._answer = Answer(response.id, called_tools(response.tools))
        self._reason: FinishedReason = "stop"
        self._inputs: dict[int, InputReader] = {}
        """What was sent of the inputs of custom tools, by the item's number."""

    @property
    def output(self) -> list[OutputItem]:
        """The items as far as they are written."""
        return [self._body(item) for item in self._answer.items]

    @property
    def items(self) -> list[Item]:
        """As `output`, for the next request's model."""
        return [item.item for item in self._answer.items]

    def begin(self) -> Iterator[StreamEvent]:
        yield self._lifecycle("response.created")
        if self.response.status == "queued":
            yield self._lifecycle("response.queued")
            self.response = msgspec.structs.replace(self.response, status="in_progress")
        yield self._lifecycle("response.in_progress")

    def add(self, event: Event | RunEvent | Footnote) -> Iterator[StreamEvent]:
        """The last event of a response is its Usage, which comes once it is recorded, or the end of its run.

        Of a chat completion with several choices, a response has the first.
        """
        match event:
            case Delta(index) | ToolCallDelta(index) | Finished(index) if index > 0:
                pass
            case Delta() | ToolCallDelta() | Searched() | Cited() | Checked():
                for change in self._answer.add(event):
                    yield from self._changed(change)
            case Finished():
                self._reason = event.reason
            case Usage():
                yield from self._end(event)
            case RunEnded():
                yield from self._run_ended(event)
            case Started() if event.stand_in:
                self.response = msgspec.structs.replace(self.response, model=event.stand_in)

    def end_empty(self) -> Iterator[StreamEvent]:
        """End a response for which nothing is generated."""
        self.response = msgspec.structs.replace(
            self.response, status="completed", completed_at=int(time.time()), usage=response_usage(Usage(0, 0))
        )
        yield self._lifecycle("response.completed")

    def fail(self, failure: ApiError) -> Iterator[StreamEvent]:
        self._stop("failed", ResponseError(failure.code or failure.type, failure.message))
        yield self._lifecycle("response.failed")

    def _run_ended(self, ended: RunEnded) -> Iterator[StreamEvent]:
        if ended.status in ("completed", "incomplete"):
            self._reason = ended.reason
            yield from self._end(ended.usage)
            return
        self._stop(ended.status, None if ended.error is None else response_error(ended.error))
        self.response = msgspec.structs.replace(self.response, usage=response_usage(ended.usage))
        yield self._lifecycle(f"response.{ended.status}")

    def _stop(self, status: str, error: ResponseError | None) -> None:
        output = [self._body(item) for item in partial_items(self._answer)]
        self.response = msgspec.structs.replace(self.response, status=status, output=output, error=error)

    def _changed(self, change: Change) -> Iterator[StreamEvent]:
        match change:
            case ItemStarted(item):
                yield OutputItemEvent("response.output_item.added", self._next(), item.index, self._body(item))
                if item.kind == "search":
                    for step in ("in_progress", "searching"):
                        yield FileSearchEvent(f"response.file_search_call.{step}", self._next(), item.id, item.index)
                elif item.kind != "call":
                    yield ContentPartEvent(
                        "response.content_part.added", self._next(), item.id, item.index, 0, _part(item)
                    )
            case ItemGrew(item, text, tokens):
                if item.kind != "call":
                    name = "output_text" if item.kind == "message" else "reasoning_text"
                    scores = output_logprobs(tokens) if item.kind == "message" else None
                    yield TextEvent(
                        f"response.{name}.delta", self._next(), item.id, item.index, 0, delta=text, logprobs=scores
                    )
                elif item.tool is None or not item.tool.custom:
                    name = "response.function_call_arguments.delta"
                    yield ArgumentsEvent(name, self._next(), item.id, item.index, delta=text)
                elif more := self._inputs.setdefault(item.index, InputReader()).read(text):
                    name = "response.custom_tool_call_input.delta"
                    yield CustomInputEvent(name, self._next(), item.id, item.index, delta=more)
            case ItemCited(item, annotation):
                position = len(item.annotations) - 1
                name = "response.output_text.annotation.added"
                yield AnnotationEvent(name, self._next(), item.id, item.index, 0, position, annotation)
            case ItemEnded(item):
                yield from self._ended(item)

    def _ended(self, item: AnswerItem) -> Iterator[StreamEvent]:
        if item.kind == "search":
            yield FileSearchEvent("response.file_search_call.completed", self._next(), item.id, item.index)
        elif item.kind != "call":
            part = _part(item)
            name = "output_text" if item.kind == "message" else "reasoning_text"
            scores = part.logprobs if isinstance(part, OutputTextBody) else None
            yield TextEvent(
                f"response.{name}.done", self._next(), item.id, item.index, 0, text=item.text, logprobs=scores
            )
            yield ContentPartEvent("response.content_part.done", self._next(), item.id, item.index, 0, part)
        elif item.tool is not None and item.tool.custom:
            written, name = input_of_arguments(item.text), "response.custom_tool_call_input"
            sent = self._inputs.setdefault(item.index, InputReader()).text
            if written.startswith(sent) and len(written) > len(sent):
                yield CustomInputEvent(f"{name}.delta", self._next(), item.id, item.index, delta=written[len(sent) :])
            yield CustomInputEvent(f"{name}.done", self._next(), item.id, item.index, input=written)
        else:
            yield ArgumentsEvent(
                "response.function_call_arguments.done",
                self._next(),
                item.id,
                item.index,
                arguments=item.text,
                name=item.tool.name if item.tool is not None else item.name,
            )
        yield OutputItemEvent("response.output_item.done", self._next(), item.index, self._body(item))

    def _end(self, usage: Usage) -> Iterator[StreamEvent]:
        for change in self._answer.end(self._reason):
            yield from self._changed(change)
        incomplete = incomplete_details(self._reason)
        self.response = msgspec.structs.replace(
            self.response,
            status="incomplete" if incomplete else "completed",
            completed_at=None if incomplete else int(time.time()),
            incomplete_details=incomplete,
            output=self.output,
            usage=response_usage(usage),
        )
        yield self._lifecycle(f"response.{self.response.status}")

    def _body(self, item: AnswerItem) -> OutputItem:
        body = _body(item)
        return body if self._shows_results else cast(OutputItem, without_results(body))

    def _lifecycle(self, type_: str) -> ResponseEvent:
        return ResponseEvent(type_, self._next(), self.response)

    def _next(self) -> int:
        self._number += 1
        return self._number


def _part(item: AnswerItem) -> OutputTextBody | ReasoningTextBody:
    if item.kind == "reasoning":
        return ReasoningTextBody(item.text)
    return OutputTextBody(item.text, list(item.annotations), logprobs=output_logprobs(tuple(item.tokens)))


def _body(item: AnswerItem) -> OutputItem:
    if item.searched is not None:
        found = item.searched if item.status == "completed" else Searched(0, item.searched.queries, [])
        return search_body(item.id, item.status, found)
    if item.kind == "call":
        return call_body(item.id, item.status, cast(CallItem, item.item))
    part, ended = _part(item), item.status != "in_progress"
    if isinstance(part, ReasoningTextBody):
        return ReasoningBody(item.id, item.status, [part] if ended else [], [])
    return MessageItemBody(item.id, item.status, "assistant", [part] if ended else [])


async def whole_answer(events: AsyncGenerator[Event | RunEvent | Footnote], writing: Writing) -> ResponseBody:
    """The answer, once it is whole."""
    async with aclosing(events):
        async for event in events:
            for _ in writing.add(event):
                pass
    return writing.response


async def stream_events(
    events: AsyncGenerator[Event | RunEvent | Footnote], writing: Writing, *, waits: bool = True
) -> AsyncGenerator[StreamEvent]:
    """What a stream sends. A failure before the first event is raised; a later one becomes ``response.failed``.

    ``waits``: the first event waits for the first of the answer, which names the model that answers.
    """
    async with aclosing(events):
        if waits:
            first = await anext(events)
            if isinstance(first, RunEnded):
                raise (first.error or CANCELLED).raised()
            for _ in writing.add(first):  # a Started, which has the model that answers
                pass
        for sent in writing.begin():
            yield sent
        try:
            async for event in events:
                for sent in writing.add(event):
                    yield sent
        except ApiError as failure:
            for sent in writing.fail(failure):
                yield sent


async def frames(
    events: AsyncGenerator[Event | RunEvent | Footnote], writing: Writing, *, closing: bytes, waits: bool = True
) -> AsyncGenerator[bytes]:
    """`stream_events` as server-sent frames; ``closing`` comes after the last one."""
    async for _, data in numbered_frames(events, writing, waits=waits):
        yield data
    if closing:
        yield closing


async def numbered_frames(
    events: AsyncGenerator[Event | RunEvent | Footnote], writing: Writing, *, waits: bool = False
) -> AsyncGenerator[tuple[int, bytes]]:
    """As `frames`, each with its ``sequence_number``."""
    encoder = msgspec.json.Encoder()
    async with aclosing(stream_events(events, writing, waits=waits)) as sent:
        async for event in sent:
            yield event.sequence_number, f"event: {event.type}\n".encode() + frame(encoder.encode(event))
