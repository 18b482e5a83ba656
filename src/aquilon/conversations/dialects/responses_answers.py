"""The answer of ``POST /v1/responses``: an object with the items that the model wrote."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.conversations.dialects.item_bodies import OutputItem
from aquilon.conversations.dialects.responses_tools import ToolEcho
from aquilon.conversations.run import RunError
from aquilon.money.usage_event import Usage


class InputTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseError(msgspec.Struct, frozen=True):
    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True):
    reason: str
    """``max_output_tokens`` or ``content_filter``."""


class FormatEcho(msgspec.Struct, frozen=True, kw_only=True):
    """Only ``type``, or all fields of a ``json_schema``."""

    type: str
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    schema: dict[str, Any] | bool | UnsetType | None = UNSET
    strict: bool | UnsetType = UNSET


class TextEcho(msgspec.Struct, frozen=True):
    format: FormatEcho
    verbosity: str | None = None


class ReasoningEcho(msgspec.Struct, frozen=True):
    effort: str | None
    summary: str | None


class ConversationRef(msgspec.Struct, frozen=True):
    id: str


class ResponseBody(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, with the fields of its request. Times are in unix seconds."""

    id: str
    object: str = "response"
    created_at: int
    completed_at: int | None = None
    status: str = "in_progress"
    """``queued``, ``in_progress``, ``completed``, ``incomplete``, ``failed`` or ``cancelled``."""
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    model: str
    output: list[OutputItem] = []
    usage: ResponseUsage | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, str] = {}
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    conversation: ConversationRef | None = None
    reasoning: ReasoningEcho = ReasoningEcho(None, None)
    store: bool = False
    background: bool = False
    temperature: float | None
    """Like ``top_p``, null where another contract began the answer."""
    text: TextEcho
    tool_choice: str | dict[str, Any]
    tools: list[ToolEcho]
    top_logprobs: int = 0
    top_p: float | None = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    truncation: str = "disabled"
    """``disabled`` or ``auto``."""
    service_tier: str = "default"
    """The only tier."""
    max_tool_calls: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class InputTokens(msgspec.Struct, frozen=True, kw_only=True):
    input_tokens: int
    object: str = "response.input_tokens"


def response_error(error: RunError) -> ResponseError:
    return ResponseError(error.code or error.type, error.message)


def incomplete_details(reason: str | None) -> IncompleteDetails | None:
    """``reason``: why the answer ended; None for one that is complete."""
    cause = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reason or "")
    return IncompleteDetails(cause) if cause else None


def response_usage(usage: Usage) -> ResponseUsage:
    return ResponseUsage(
        usage.prompt_tokens,
        InputTokensDetails(usage.cached_tokens),
        usage.completion_tokens,
        OutputTokensDetails(usage.reasoning_tokens),
        usage.total_tokens,
    )
