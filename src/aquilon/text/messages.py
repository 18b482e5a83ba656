"""Messages and tools as every part of the program passes them, whatever API they came in by."""

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
    """The client's other fields, as they came: for upstreams."""


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may ask for."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    """JSON schema of its arguments."""
    more: dict[str, Any] = {}
    """The client's other fields, those of the function under ``function``, as they came: for upstreams."""


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
    """All of the content in its order, where it isn't text alone."""
    more: dict[str, Any] = {}
    """The client's other fields as they came, and ``content`` where it came in parts: for upstreams."""
