"""Messages and tools in the form that all parts of the program use, whichever API they came through."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]


class FunctionCall(msgspec.Struct, frozen=True):
    name: str
    arguments: str
    """A JSON object, as text."""


class ToolCall(msgspec.Struct, frozen=True):
    id: str
    function: FunctionCall
    more: dict[str, Any] = {}
    """The client's other fields, unchanged, for upstreams."""


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may ask for."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    """JSON schema of its arguments."""
    more: dict[str, Any] = {}
    """The client's other fields, unchanged, for upstreams; those of the function are under ``function``."""


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image_url"):
    url: str
    """``data:image/…;base64,…``, or an https address for an upstream to fetch: this server fetches nothing."""
    detail: str | None = None


Part = TextPart | ImagePart


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation. ``content`` is text: text parts are joined where they enter."""

    role: Role
    content: str = ""
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    """On a ``tool`` message: the call it answers."""
    parts: tuple[Part, ...] = ()
    """All parts of the content in order, if it has other parts than text."""
    more: dict[str, Any] = {}
    """The client's other fields, unchanged, for upstreams; also ``content`` if it came in parts."""
    reasoning: str = ""
    """An assistant's earlier thoughts. ``more`` has them too if the client sent them in fields of a chat message."""
