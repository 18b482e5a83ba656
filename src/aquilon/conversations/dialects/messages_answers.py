"""The answer of ``POST /v1/messages``: a message of content blocks, or the events of a stream."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.money.usage_event import Usage
from aquilon.request import Started


class TextBlock(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str
    citations: None = None
    """Always null: models here cite nothing."""


class ThinkingBlock(msgspec.Struct, frozen=True, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class RedactedThinkingBlock(msgspec.Struct, frozen=True, tag_field="type", tag="redacted_thinking"):
    """Thoughts that an upstream encrypted."""

    data: str


class ToolUseBlock(msgspec.Struct, frozen=True, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]
    """Empty if the answer ended before the input was complete."""


AnswerBlock = TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock


class OutputTokensParts(msgspec.Struct, frozen=True):
    thinking_tokens: int


class MessageUsage(msgspec.Struct, frozen=True, kw_only=True):
    input_tokens: int
    """Without those that were read from the cache."""
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    """Always 0: writing to the cache costs nothing."""
    output_tokens: int = 0
    """With the thoughts."""
    output_tokens_details: OutputTokensParts | UnsetType = UNSET


class MessageBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    type: str = "message"
    role: str = "assistant"
    model: str
    """The model that answers: the requested one, or its fall-back."""
    content: list[AnswerBlock] = []
    stop_reason: str | None = None
    """``end_turn``, ``max_tokens``, ``model_context_window_exceeded``, ``stop_sequence``, ``tool_use`` or ``refusal``;
    null while the answer is written."""
    stop_sequence: str | None = None
    """The stop sequence that ended the answer."""
    usage: MessageUsage


class MessageStart(msgspec.Struct, frozen=True, tag_field="type", tag="message_start"):
    message: MessageBody


class ContentBlockStart(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_start"):
    index: int
    content_block: AnswerBlock


class TextDelta(msgspec.Struct, frozen=True, tag_field="type", tag="text_delta"):
    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, tag_field="type", tag="thinking_delta"):
    thinking: str


class SignatureDelta(msgspec.Struct, frozen=True, tag_field="type", tag="signature_delta"):
    """Just before the end of a block of thoughts."""

    signature: str


class InputJsonDelta(msgspec.Struct, frozen=True, tag_field="type", tag="input_json_delta"):
    partial_json: str


BlockDelta = TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta


class ContentBlockDelta(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_delta"):
    index: int
    delta: BlockDelta


class ContentBlockStop(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_stop"):
    index: int


class StopDelta(msgspec.Struct, frozen=True):
    stop_reason: str
    stop_sequence: str | None


class MessageDelta(msgspec.Struct, frozen=True, tag_field="type", tag="message_delta"):
    delta: StopDelta
    usage: MessageUsage
    """Of the whole answer."""


class MessageStop(msgspec.Struct, frozen=True, tag_field="type", tag="message_stop"):
    pass


class Ping(msgspec.Struct, frozen=True, tag_field="type", tag="ping"):
    """Sent while nothing else is."""


MessageEvent = (
    MessageStart | ContentBlockStart | ContentBlockDelta | ContentBlockStop | MessageDelta | MessageStop | Ping
)
MESSAGE_EVENTS: tuple[type[msgspec.Struct], ...] = get_args(MessageEvent)


class TokenCountBody(msgspec.Struct, frozen=True):
    input_tokens: int


def usage_so_far(started: Started) -> MessageUsage:
    return MessageUsage(
        input_tokens=started.prompt_tokens - started.cached_tokens, cache_read_input_tokens=started.cached_tokens
    )


def message_usage(usage: Usage) -> MessageUsage:
    return MessageUsage(
        input_tokens=usage.prompt_tokens - usage.cached_tokens,
        cache_read_input_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
        output_tokens_details=OutputTokensParts(usage.reasoning_tokens) if usage.reasoning_tokens else UNSET,
    )
