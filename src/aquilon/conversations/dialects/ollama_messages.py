"""The messages of ``/api/chat``: images in base64, calls whose arguments are objects, results that name their tool."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.tool_fields import MAX_TOOLS
from aquilon.errors import invalid
from aquilon.text.messages import FunctionCall, ImagePart, Message, Part, TextPart, ToolCall

MAX_IMAGES = 64
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
    (b"BM", "image/bmp"),
)
_SIGNATURE_CHARACTERS = 16

Images = Annotated[list[str], Field(max_length=MAX_IMAGES, description="Images in base64.")]


class CalledFunction(Fields):
    name: str = Field(min_length=1, max_length=256)
    arguments: dict[str, Any] = Field(default_factory=dict)


class CallFields(Fields):
    id: str = Field("", max_length=256)
    function: CalledFunction


class OllamaMessage(Fields):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = Field(None, description="The assistant's thoughts before this message.")
    images: Images | None = None
    tool_calls: list[CallFields] | None = Field(None, max_length=MAX_TOOLS)
    tool_name: str | None = Field(None, max_length=256, description="In a tool's message: the tool that was called.")
    tool_call_id: str | None = Field(None, max_length=256, description="In a tool's message: the id of the call.")


def conversation(messages: list[OllamaMessage]) -> tuple[Message, ...]:
    """The canonical messages. Raises ApiError 400, which names the wrong message.

    Calls without an id get one, and a tool's message without one answers the first call of its tool that has no
    result yet.
    """
    unanswered: list[ToolCall] = []
    canonical = []
    for position, fields in enumerate(messages):
        if fields.tool_calls and fields.role != "assistant":
            raise invalid(
                f"Message {position}: only the assistant calls tools", param=f"messages.{position}.tool_calls"
            )
        calls = tuple(
            ToolCall(
                call.id or f"call_{position}_{number}",
                FunctionCall(call.function.name, msgspec.json.encode(call.function.arguments).decode()),
            )
            for number, call in enumerate(fields.tool_calls or ())
        )
        unanswered += calls
        answered = _take_answered(unanswered, fields) if fields.role == "tool" else None
        text = fields.content or ""
        canonical.append(
            Message(
                fields.role,
                text,
                name=fields.tool_name or (None if answered is None else answered.function.name),
                tool_calls=calls,
                tool_call_id=fields.tool_call_id or (None if answered is None else answered.id),
                parts=with_images(text, fields.images or [], param=f"messages.{position}.images"),
                reasoning=(fields.thinking or "") if fields.role == "assistant" else "",
            )
        )
    return tuple(canonical)


def with_images(text: str, images: list[str], *, param: str) -> tuple[Part, ...]:
    """The parts of a text with images; none without images. Raises ApiError 400 for an image that can't be read."""
    if not images:
        return ()
    pictures = [ImagePart(_data_address(image, f"{param}.{number}")) for number, image in enumerate(images)]
    return (TextPart(text), *pictures) if text else tuple(pictures)


def _take_answered(unanswered: list[ToolCall], result: OllamaMessage) -> ToolCall | None:
    """Remove and return the call that a tool's message answers; None if there is none."""
    for number, call in enumerate(unanswered):
        if result.tool_call_id in (None, call.id) and result.tool_name in (None, call.function.name):
            return unanswered.pop(number)
    return None


def _data_address(image: str, param: str) -> str:
    """``data:image/png;base64,…``, by the image's first bytes."""
    if image.startswith("data:image/"):
        return image
    try:
        data = base64.b64decode(image[:_SIGNATURE_CHARACTERS], validate=True)
    except (binascii.Error, ValueError):
        data = b""
    kind = next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), None)
    if kind is None:
        raise invalid("An image must be a PNG, JPEG, GIF, WebP or BMP file in base64", param=param)
    return f"data:{kind};base64,{image}"
