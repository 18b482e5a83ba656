"""The items of a conversation as clients are shown them, in the shape of ``/v1/responses``."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.conversations.dialects.responses_tools import input_of_arguments
from aquilon.conversations.footnotes import SEARCH, Searched, search_of
from aquilon.conversations.items import (
    CalledTool,
    CallItem,
    CallOutputItem,
    CompactionItem,
    File,
    Image,
    Item,
    MessageItem,
    OtherItem,
    Part,
    ReasoningItem,
    Text,
)
from aquilon.request import ScoredToken


class TopTokenLogprob(msgspec.Struct, frozen=True):
    token: str
    bytes: list[int]
    logprob: float


class OutputLogprob(msgspec.Struct, frozen=True):
    token: str
    bytes: list[int]
    logprob: float
    top_logprobs: list[TopTokenLogprob]


class InputTextBody(msgspec.Struct, frozen=True, tag_field="type", tag="input_text"):
    text: str


class OutputTextBody(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    text: str
    annotations: list[dict[str, Any]] = []
    logprobs: list[OutputLogprob] = []
    """In the answer itself, if the client asked for them; they aren't stored."""


class InputImageBody(msgspec.Struct, frozen=True, tag_field="type", tag="input_image"):
    image_url: str
    detail: str = "auto"
    file_id: None = None


class InputFileBody(msgspec.Struct, frozen=True, tag_field="type", tag="input_file"):
    file_id: str | None
    filename: str | None
    file_data: str | None


class ReasoningTextBody(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    text: str


class SummaryTextBody(msgspec.Struct, frozen=True, tag_field="type", tag="summary_text"):
    text: str


ContentBody = InputTextBody | OutputTextBody | InputImageBody | InputFileBody


class MessageItemBody(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    id: str
    status: str
    role: str
    content: list[ContentBody]
    phase: str | UnsetType = UNSET


class ReasoningBody(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning"):
    id: str
    status: str
    content: list[ReasoningTextBody]
    summary: list[SummaryTextBody]
    encrypted_content: str | UnsetType = UNSET


class CallBody(msgspec.Struct, frozen=True, tag_field="type", tag="function_call"):
    id: str
    status: str
    call_id: str
    name: str
    arguments: str
    namespace: str | UnsetType = UNSET


class CustomCallBody(msgspec.Struct, frozen=True, tag_field="type", tag="custom_tool_call"):
    id: str
    status: str
    call_id: str
    name: str
    input: str
    namespace: str | UnsetType = UNSET


class CallOutputBody(msgspec.Struct, frozen=True, tag_field="type", tag="function_call_output"):
    id: str
    status: str
    call_id: str
    output: str | list[ContentBody]


class CustomCallOutputBody(msgspec.Struct, frozen=True, tag_field="type", tag="custom_tool_call_output"):
    id: str
    status: str
    call_id: str
    output: str | list[ContentBody]


class CompactionBody(msgspec.Struct, frozen=True, tag_field="type", tag="compaction"):
    """A summary, which stands for all items before it. It isn't encrypted: anybody may read it."""

    id: str
    summary: list[SummaryTextBody]
    encrypted_content: str
    """The same text, in the field that OpenAI's clients send back."""


class OtherBody(msgspec.Struct, frozen=True, tag_field="type", tag="aquilon:other"):
    """An item that no model reads."""

    id: str
    name: str
    content: dict[str, Any]


class FileSearchResultBody(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that was a source of the answer; its place in the list is its number, from 1."""

    file_id: str
    filename: str
    score: float
    text: str
    attributes: dict[str, Any]
    vector_store_id: str
    passage_id: str
    page: int | None
    heading: str | None


class FileSearchBody(msgspec.Struct, frozen=True, tag_field="type", tag="file_search_call"):
    """A search in libraries, before the answer."""

    id: str
    status: str
    queries: list[str]
    results: list[FileSearchResultBody] | None = None
    """If the request includes them (`file_search_call.results`)."""


OutputItem = MessageItemBody | ReasoningBody | CallBody | CustomCallBody | CompactionBody | FileSearchBody
ItemBody = OutputItem | CallOutputBody | CustomCallOutputBody | OtherBody


def item_body(id_: str, status: str, item: Item) -> ItemBody:
    match item:
        case MessageItem():
            content = [_content_body(part, item.role) for part in item.content]
            return MessageItemBody(id_, status, item.role, content, item.phase or UNSET)
        case ReasoningItem():
            thoughts = [ReasoningTextBody(item.text)] if item.text else []
            summary = [SummaryTextBody(item.summary)] if item.summary else []
            return ReasoningBody(id_, status, thoughts, summary, item.sealed or UNSET)
        case CallItem():
            return call_body(id_, status, item)
        case CallOutputItem():
            parts = item.output
            is_text = len(parts) == 1 and isinstance(parts[0], Text)
            output = item.text if is_text else [_content_body(part, "user") for part in parts]
            kind = CustomCallOutputBody if item.custom else CallOutputBody
            return kind(id_, status, item.call_id, output)
        case CompactionItem():
            return CompactionBody(id_, [SummaryTextBody(item.summary)], item.summary)
        case OtherItem(name=name) if name == SEARCH:
            return search_body(id_, status, search_of(0, item.body))
        case OtherItem():
            return OtherBody(id_, item.name, item.body)


def search_body(id_: str, status: str, searched: Searched) -> FileSearchBody:
    results = [
        FileSearchResultBody(
            file_id=hit.file_id,
            filename=hit.name,
            score=hit.score,
            text=hit.text.strip(),
            attributes=dict(hit.attributes),
            vector_store_id=hit.library_id,
            passage_id=hit.passage_id,
            page=hit.page,
            heading=hit.heading,
        )
        for hit in searched.hits
    ]
    return FileSearchBody(id_, status, searched.queries, results)


def without_results(item: ItemBody) -> ItemBody:
    """For a client that didn't ask for what a search found."""
    return msgspec.structs.replace(item, results=None) if isinstance(item, FileSearchBody) else item


def call_body(id_: str, status: str, call: CallItem) -> CallBody | CustomCallBody:
    tool = call.tool or CalledTool(call.name)
    namespace = tool.namespace or UNSET
    if not tool.custom:
        return CallBody(id_, status, call.call_id, tool.name, call.arguments, namespace)
    text = "" if status == "in_progress" else input_of_arguments(call.arguments)
    return CustomCallBody(id_, status, call.call_id, tool.name, text, namespace)


def _content_body(part: Part, role: str) -> ContentBody:
    match part:
        case Text():
            if role == "assistant":
                return OutputTextBody(part.text, list(part.annotations))
            return InputTextBody(part.text)
        case Image():
            return InputImageBody(part.url, part.detail or "auto")
        case File():
            return InputFileBody(part.file_id, part.name, part.data)


def output_logprobs(tokens: tuple[ScoredToken, ...]) -> list[OutputLogprob]:
    return [
        OutputLogprob(
            token.text,
            list(token.bytes),
            token.logprob,
            [TopTokenLogprob(other.text, list(other.bytes), other.logprob) for other in token.top],
        )
        for token in tokens
    ]
