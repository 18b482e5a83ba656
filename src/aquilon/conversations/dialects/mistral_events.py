"""An answer in Mistral's conversations, as a whole and as the events of a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec

from aquilon.conversations.answer import Answer, AnswerItem, Change, ItemCited, ItemGrew, ItemStarted
from aquilon.conversations.dialects.frames import frame
from aquilon.conversations.dialects.mistral_entries import (
    Entry,
    ReferenceChunk,
    ThinkChunk,
    ToolExecutionEntry,
    entry,
    reference,
    thoughts,
)
from aquilon.conversations.footnotes import Checked, Cited, Footnote, Searched, note_of
from aquilon.conversations.run import RunEnded, RunError, RunEvent
from aquilon.errors import ApiError
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Event, Finished, Started, ToolCallDelta

_CANCELLED = RunError(409, "invalid_request_error", "cancelled", "The answer was cancelled")


class ConversationUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    connector_tokens: int | None = None
    connectors: dict[str, int] | None = None


class ConversationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer added to a conversation."""

    object: str = "conversation.response"
    conversation_id: str
    outputs: list[Entry]
    usage: ConversationUsage


class AnswerStarted(msgspec.Struct, frozen=True, tag_field="type", tag="conversation.response.started"):
    created_at: datetime
    conversation_id: str


class MessageGrew(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message.output.delta"):
    created_at: datetime
    output_index: int
    id: str
    content_index: int = 0
    model: str
    agent_id: str | None
    role: str = "assistant"
    content: str | ThinkChunk | ReferenceChunk


class CallGrew(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function.call.delta"):
    created_at: datetime
    output_index: int
    id: str
    model: str
    agent_id: str | None
    name: str
    tool_call_id: str
    arguments: str


class AnswerDone(msgspec.Struct, frozen=True, tag_field="type", tag="conversation.response.done"):
    created_at: datetime
    usage: ConversationUsage


class AnswerFailed(msgspec.Struct, frozen=True, tag_field="type", tag="conversation.response.error"):
    created_at: datetime
    message: str
    code: int
    """An HTTP status."""


class ToolStarted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tool.execution.started"):
    created_at: datetime
    output_index: int
    id: str
    name: str
    arguments: str


class ToolDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tool.execution.done"):
    created_at: datetime
    output_index: int
    id: str
    name: str
    info: dict[str, Any]


ConversationEvent = AnswerStarted | MessageGrew | CallGrew | ToolStarted | ToolDone | AnswerDone | AnswerFailed
CONVERSATION_EVENTS: tuple[type[msgspec.Struct], ...] = get_args(ConversationEvent)


class _Writing:
    """One answer while it is written."""

    def __init__(self, answer_id: str, model: str, agent_id: str | None) -> None:
        self.answer = Answer(answer_id)
        self.model = model
        self.agent_id = agent_id

    def add(self, event: Event | RunEvent | Footnote) -> Iterator[ConversationEvent]:
        """The events that a stream sends. Raises ApiError at the end of an answer that failed."""
        match event:
            case Started() if event.stand_in:
                self.model = event.stand_in
            case Delta() | ToolCallDelta() | Searched() | Cited() | Checked():
                yield from self._grown(self.answer.add(event))
            case Finished():
                yield from self._grown(self.answer.end(event.reason))
            case Usage():
                yield AnswerDone(_now(), _usage(event))
            case RunEnded(status="failed" | "cancelled"):
                raise (event.error or _CANCELLED).raised()
            case RunEnded():
                yield AnswerDone(_now(), _usage(event.usage))

    def _grown(self, changes: Iterator[Change]) -> Iterator[ConversationEvent]:
        for change in changes:
            match change:
                case ItemStarted(item) if item.searched is not None:
                    yield from self._searched(item)
                case ItemCited(item, annotation) if (note := note_of(annotation)) is not None:
                    yield self._message(item, reference(note))
                case ItemStarted(item) if item.kind != "reasoning":
                    yield self._delta(item, "")
                case ItemGrew(item, text) if text:
                    yield self._delta(item, text)

    def _delta(self, item: AnswerItem, text: str) -> MessageGrew | CallGrew:
        if item.kind == "call":
            return CallGrew(
                created_at=_now(),
                output_index=item.index,
                id=item.id,
                model=self.model,
                agent_id=self.agent_id,
                name=item.name,
                tool_call_id=item.call_id,
                arguments=text,
            )
        return self._message(item, thoughts(text) if item.kind == "reasoning" else text)

    def _message(self, item: AnswerItem, content: str | ThinkChunk | ReferenceChunk) -> MessageGrew:
        return MessageGrew(
            created_at=_now(),
            output_index=item.index,
            id=item.id,
            model=self.model,
            agent_id=self.agent_id,
            content=content,
        )

    def _searched(self, item: AnswerItem) -> Iterator[ConversationEvent]:
        search = entry(item.id, item.item, at=_now())
        assert isinstance(search, ToolExecutionEntry)
        place: dict[str, Any] = {"created_at": _now(), "output_index": item.index, "id": item.id, "name": search.name}
        yield ToolStarted(**place, arguments=search.arguments)
        yield ToolDone(**place, info=search.info)


async def whole_answer(
    events: AsyncGenerator[Event | RunEvent | Footnote],
    *,
    answer_id: str,
    conversation_id: str,
    model: str,
    agent_id: str | None,
) -> ConversationResponse:
    """The answer, once it is whole. Raises ApiError if it failed."""
    writing, usage = _Writing(answer_id, model, agent_id), Usage(0, 0)
    async with aclosing(events):
        async for event in events:
            for _ in writing.add(event):
                pass
            if isinstance(event, Usage | RunEnded):
                usage = event if isinstance(event, Usage) else event.usage
    outputs = [
        entry(
            item.id,
            item.item,
            at=_now(),
            model=writing.model,
            agent_id=agent_id,
            ended=item.status == "completed",
        )
        for item in writing.answer.items
    ]
    return ConversationResponse(conversation_id=conversation_id, outputs=outputs, usage=_usage(usage))


async def frames(
    events: AsyncGenerator[Event | RunEvent | Footnote],
    *,
    answer_id: str,
    conversation_id: str,
    model: str,
    agent_id: str | None,
) -> AsyncGenerator[bytes]:
    """Server-sent frames. A failure before the first event is raised; a later one is the last event."""
    writing, encoder = _Writing(answer_id, model, agent_id), msgspec.json.Encoder()

    def framed(event: ConversationEvent) -> bytes:
        return b"event: " + _name(event) + b"\n" + frame(encoder.encode(event))

    async with aclosing(events):
        first = await anext(events)
        begun = [framed(AnswerStarted(_now(), conversation_id)), *map(framed, writing.add(first))]
        for data in begun:
            yield data
        try:
            async for event in events:
                for grown in writing.add(event):
                    yield framed(grown)
        except ApiError as failure:
            yield framed(AnswerFailed(_now(), failure.message, failure.status))


def _name(event: ConversationEvent) -> bytes:
    return str(event.__struct_config__.tag).encode()


def _usage(usage: Usage) -> ConversationUsage:
    return ConversationUsage(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def _now() -> datetime:
    return datetime.now(UTC)
