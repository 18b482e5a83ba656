"""What a conversation consists of, whichever dialect it came in."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from aquilon.errors import invalid

ItemRole = Literal["system", "developer", "user", "assistant"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class Text(msgspec.Struct, frozen=True, tag="text", omit_defaults=True):
    text: str
    annotations: tuple[dict[str, Any], ...] = ()
    """What the text cites, in the order of the text."""


class Image(msgspec.Struct, frozen=True, tag="image", omit_defaults=True):
    url: str
    """``data:image/…;base64,…``, or an https address."""
    detail: str | None = None


class File(msgspec.Struct, frozen=True, tag="file", omit_defaults=True):
    """A file of ``/v1/files`` by its id, or with its content."""

    file_id: str | None = None
    name: str | None = None
    data: str | None = None
    """``data:…;base64,…``."""


Part = Text | Image | File


class MessageItem(msgspec.Struct, frozen=True, tag="message", omit_defaults=True):
    role: ItemRole
    content: tuple[Part, ...]
    name: str | None = None
    more: dict[str, Any] = {}
    """The client's other fields, unchanged, for upstreams."""
    phase: str | None = None
    """``commentary`` or ``final_answer``: what the client says of an assistant's message, kept for the client."""

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.content if isinstance(part, Text))


class ReasoningItem(msgspec.Struct, frozen=True, tag="reasoning", omit_defaults=True):
    """A model's thoughts before the items that follow."""

    text: str
    summary: str = ""
    signature: str = ""
    """The upstream's, if it accepts its thoughts only as it wrote them."""
    redacted: bool = False
    """Whether the upstream hides the text: ``signature`` has it in encrypted form."""
    sealed: str | None = None
    """What only the client's own vendor can read (``encrypted_content``), kept for the client."""


class CalledTool(msgspec.Struct, frozen=True, omit_defaults=True):
    """The client's tool behind a function that the model calls."""

    name: str
    namespace: str | None = None
    custom: bool = False
    """Whether the client gets plain text, the function's argument ``input``."""


class CallItem(msgspec.Struct, frozen=True, tag="call", omit_defaults=True):
    """A call of a function, which the client carries out."""

    call_id: str
    name: str
    arguments: str
    """JSON."""
    tool: CalledTool | None = None
    """Where the client's tool is something else than a function of this name."""
    more: dict[str, Any] = {}


class CallOutputItem(msgspec.Struct, frozen=True, tag="call_output", omit_defaults=True):
    call_id: str
    output: tuple[Part, ...]
    failed: bool = False
    custom: bool = False
    """Whether the call was of a custom tool."""
    name: str | None = None

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.output if isinstance(part, Text))


class CompactionItem(msgspec.Struct, frozen=True, tag="compaction"):
    """A summary that stands for all items before it."""

    summary: str


class OtherItem(msgspec.Struct, frozen=True, tag="other"):
    """An item that no model reads, such as the record of a hosted tool."""

    name: str
    """What kind of item it is."""
    body: dict[str, Any]


Item = MessageItem | ReasoningItem | CallItem | CallOutputItem | CompactionItem | OtherItem

MOST_ITEM_BYTES = 8 * 2**20
"""A larger item is refused."""

MOST_DEPTH = 200
"""Levels of nesting. JSON near the parser's own limit could be stored, but not read again inside of something else."""

PREFIXES: dict[type, str] = {
    MessageItem: "msg",
    ReasoningItem: "rs",
    CallItem: "fc",
    CallOutputItem: "fco",
    CompactionItem: "cmp",
    OtherItem: "item",
}
"""What an item's id begins with, by its type."""

_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)


def encoded(item: Item) -> str:
    return _encoder.encode(item).decode()


def decoded(content: str) -> Item:
    return _decoder.decode(content)


def require_shallow(content: str, param: str) -> None:
    """Raises ApiError 400 for JSON that is nested more than `MOST_DEPTH` levels deep."""
    if content.count("[") + content.count("{") <= MOST_DEPTH:
        return
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(content):
        depth += _STEPS.get(token[0], 0)
        if depth > MOST_DEPTH:
            raise invalid(f"'{param}' is nested more than {MOST_DEPTH} levels deep", param=param, code="too_deep")


def search_text(item: Item) -> str:
    """The words that people wrote or read; empty for an item without any."""
    return item.text if isinstance(item, MessageItem) and item.role in ("user", "assistant") else ""
