"""The entries of Mistral's conversations, and the items that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from aquilon.conversations.dialects.chat_fields import ContentPart, ImageUrl, text_of_thoughts
from aquilon.conversations.dialects.conversation_settings import DOCUMENT_LIBRARY
from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS, Fields
from aquilon.conversations.footnotes import SEARCH, Note, note_of
from aquilon.conversations.items import (
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
from aquilon.errors import invalid, unsupported

_HOSTED = {
    "tool.execution": ("name", "arguments", "info"),
    "agent.handoff": ("previous_agent_id", "previous_agent_name", "next_agent_id", "next_agent_name"),
}
"""By type, the fields of entries about what a server does itself. They are kept; no model reads them."""

ShortName = Annotated[str, Field(max_length=256)]


class EntryFields(Fields):
    """A message, a call of a function or its result; the type decides which fields are used."""

    type: str | None = Field(None, max_length=100, description="Without it, the entry's other fields tell the type.")
    role: Literal["user", "assistant"] | None = None
    content: str | Annotated[list[ContentPart], FIRST_FAULT_ENDS] | None = None
    prefix: bool | None = Field(None, description="Refused: an answer begins a message of its own.")
    tool_call_id: ShortName | None = None
    name: ShortName | None = None
    arguments: str | dict[str, Any] | None = Field(None, description="A JSON object, or its text.")
    result: str | None = None
    info: dict[str, Any] | None = None
    previous_agent_id: ShortName | None = None
    previous_agent_name: ShortName | None = None
    next_agent_id: ShortName | None = None
    next_agent_name: ShortName | None = None

    @property
    def kind(self) -> str:
        if self.type is not None:
            return self.type
        if self.result is not None:
            return "function.result"
        return "message.input" if self.tool_call_id is None else "function.call"

    @property
    def arguments_text(self) -> str:
        """As JSON."""
        if isinstance(self.arguments, str):
            return self.arguments
        return msgspec.json.encode(self.arguments or {}).decode()


def items_of_inputs(inputs: str | list[EntryFields] | None) -> list[Item]:
    """The canonical items. Raises ApiError 400, which names the wrong entry."""
    if inputs is None:
        return []
    if isinstance(inputs, str):
        return [MessageItem("user", (Text(inputs),))]
    return [item for position, entry in enumerate(inputs) for item in _items(entry, f"inputs.{position}")]


def _items(entry: EntryFields, param: str) -> list[Item]:
    match entry.kind:
        case "message.input" | "message.output":
            return _message(entry, param)
        case "function.call":
            if entry.tool_call_id is None or entry.name is None:
                raise invalid("A function.call needs a 'tool_call_id' and a 'name'", param=param)
            return [CallItem(entry.tool_call_id, entry.name, entry.arguments_text)]
        case "function.result":
            if entry.tool_call_id is None or entry.result is None:
                raise invalid("A function.result needs a 'tool_call_id' and a 'result'", param=param)
            return [CallOutputItem(entry.tool_call_id, (Text(entry.result),))]
        case kind if kind in _HOSTED:
            body = {name: value for name in _HOSTED[kind] if (value := getattr(entry, name)) is not None}
            missing = [name for name in _HOSTED[kind] if name not in body and name != "info"]
            if missing:
                raise invalid(f"An entry of type {kind} needs {', '.join(missing)}", param=param)
            if "arguments" in body:
                body["arguments"] = entry.arguments_text
            return [OtherItem(kind, body)]
        case kind:
            raise unsupported(f"An entry of type '{kind}' is", param=f"{param}.type")


def _message(entry: EntryFields, param: str) -> list[Item]:
    role = "assistant" if entry.kind == "message.output" else entry.role
    if role is None:
        raise invalid("A message.input needs a 'role'", param=f"{param}.role")
    if entry.content is None:
        raise invalid("A message needs 'content'", param=f"{param}.content")
    if entry.prefix:
        raise unsupported("'prefix' in a conversation is", param=f"{param}.prefix")
    if isinstance(entry.content, str):
        return [MessageItem(role, (Text(entry.content),))]
    items: list[Item] = []
    parts: list[Part] = []
    for part in entry.content:
        if part.type == "tool_reference":  # a footnote of an earlier answer
            continue
        if part.type == "thinking":
            thoughts = text_of_thoughts((part.model_extra or {}).get("thinking"))
            items += [ReasoningItem(thoughts)] if thoughts and role == "assistant" else []
        else:
            parts.append(_part(part, f"{param}.content"))
    if parts or not items:
        items.append(MessageItem(role, tuple(parts)))
    return items


def _part(part: ContentPart, param: str) -> Part:
    if part.type == "text" and part.text is not None:
        return Text(part.text)
    if part.type == "image_url":
        image = part.image_url
        url, detail = (image.url, image.detail) if isinstance(image, ImageUrl) else (image, None)
        if url is None or not url.startswith(("data:image/", "https://")):
            raise invalid("An image is 'data:image/…;base64,…' or an https address", param=param)
        return Image(url, detail)
    if part.type == "text":
        raise invalid("A part of type 'text' needs a 'text'", param=param)
    raise unsupported(f"Content of type '{part.type}' is", param=param)


class TextChunk(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class ThinkChunk(msgspec.Struct, frozen=True, tag_field="type", tag="thinking"):
    thinking: list[TextChunk]


class ImageAddress(msgspec.Struct, frozen=True):
    url: str
    detail: str | None


class ImageChunk(msgspec.Struct, frozen=True, tag_field="type", tag="image_url"):
    image_url: ImageAddress


class DocumentChunk(msgspec.Struct, frozen=True, tag_field="type", tag="document_url"):
    document_url: str
    document_name: str | None


class ReferenceChunk(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tool_reference"):
    """A footnote, after its mark in the text."""

    tool: str = DOCUMENT_LIBRARY
    title: str
    """The document's name."""
    url: str
    """The path of the passage, with the text around it."""
    description: str
    """The passage."""
    number: int
    library_id: str
    document_id: str
    page: int | None
    support: str
    """Whether the passage supports the sentence: ``supported``, ``unsupported`` or ``unchecked``."""


Chunk = TextChunk | ThinkChunk | ImageChunk | DocumentChunk | ReferenceChunk
Content = str | list[Chunk]


class MessageInputEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message.input"):
    object: str = "entry"
    id: str
    created_at: datetime
    completed_at: datetime | None
    role: str
    content: Content
    prefix: bool = False


class MessageOutputEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message.output"):
    """What the assistant wrote. Thoughts are an entry of their own, before the one that they led to."""

    object: str = "entry"
    id: str
    created_at: datetime
    completed_at: datetime | None
    role: str = "assistant"
    content: Content
    model: str | None
    agent_id: str | None = None


class FunctionCallEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function.call"):
    object: str = "entry"
    id: str
    created_at: datetime
    completed_at: datetime | None
    tool_call_id: str
    name: str
    arguments: str
    model: str | None
    agent_id: str | None = None


class FunctionResultEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function.result"):
    object: str = "entry"
    id: str
    created_at: datetime
    completed_at: datetime | None
    tool_call_id: str
    result: str


class ToolExecutionEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tool.execution"):
    object: str = "entry"
    id: str
    created_at: datetime
    completed_at: datetime | None
    name: str
    arguments: str
    info: dict[str, Any]


class AgentHandoffEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="agent.handoff"):
    object: str = "entry"
    id: str
    created_at: datetime
    completed_at: datetime | None
    previous_agent_id: str
    previous_agent_name: str
    next_agent_id: str
    next_agent_name: str


MessageEntry = MessageInputEntry | MessageOutputEntry
Entry = MessageEntry | FunctionCallEntry | FunctionResultEntry | ToolExecutionEntry | AgentHandoffEntry


def entry(
    id_: str, item: Item, *, at: datetime, model: str | None = None, agent_id: str | None = None, ended: bool = True
) -> Entry:
    """An item as an entry. ``model``: the one that wrote it, if one did; ``ended``: whether it is whole."""
    when: dict[str, Any] = {"id": id_, "created_at": at, "completed_at": at if ended else None}
    author: dict[str, Any] = {"model": model, "agent_id": agent_id}
    match item:
        case MessageItem(role="assistant"):
            return MessageOutputEntry(**when, content=_content(item.content), **author)
        case MessageItem():
            return MessageInputEntry(**when, role=item.role, content=_content(item.content))
        case ReasoningItem():
            return MessageOutputEntry(**when, content=[thoughts(item.text or item.summary)], **author)
        case CallItem():
            return FunctionCallEntry(
                **when, tool_call_id=item.call_id, name=item.name, arguments=item.arguments, **author
            )
        case CallOutputItem():
            return FunctionResultEntry(**when, tool_call_id=item.call_id, result=item.text)
        case CompactionItem():
            return MessageInputEntry(**when, role="user", content=item.summary)
        case OtherItem(name=name) if name == SEARCH:
            info = {"results": item.body["hits"]}
            arguments = msgspec.json.encode({"queries": item.body["queries"]}).decode()
            return ToolExecutionEntry(**when, name=DOCUMENT_LIBRARY, arguments=arguments, info=info)
        case OtherItem(name="agent.handoff"):
            return AgentHandoffEntry(**when, **item.body)
        case OtherItem(name="tool.execution"):
            return ToolExecutionEntry(**when, **({"info": {}} | item.body))
        case OtherItem():
            return ToolExecutionEntry(**when, name=item.name, arguments="", info=item.body)


def thoughts(text: str) -> ThinkChunk:
    return ThinkChunk([TextChunk(text)])


def _content(parts: Iterable[Part]) -> Content:
    chunks = [chunk for part in parts for chunk in _chunks(part)]
    if len(chunks) == 1 and isinstance(chunks[0], TextChunk):
        return chunks[0].text
    return chunks


def _chunks(part: Part) -> Iterator[Chunk]:
    """A text with footnotes is cut after their marks."""
    if not isinstance(part, Text) or not part.annotations:
        yield _chunk(part)
        return
    begin = 0
    for note in filter(None, map(note_of, part.annotations)):
        if note.end_index > begin:
            yield TextChunk(part.text[begin : note.end_index])
            begin = note.end_index
        yield reference(note)
    if begin < len(part.text):
        yield TextChunk(part.text[begin:])


def reference(note: Note) -> ReferenceChunk:
    return ReferenceChunk(
        title=note.filename,
        url=f"/v1/vector_stores/{note.vector_store_id}/files/{note.file_id}/passages/{note.passage_id}",
        description=note.quote,
        number=note.number,
        library_id=note.vector_store_id,
        document_id=note.file_id,
        page=note.page,
        support=note.support,
    )


def _chunk(part: Part) -> Chunk:
    match part:
        case Text():
            return TextChunk(part.text)
        case Image():
            return ImageChunk(ImageAddress(part.url, part.detail))
        case File():
            return DocumentChunk(part.data or part.file_id or "", part.name)
