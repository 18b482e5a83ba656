"""The messages of ``POST /v1/messages``: turns Anthropic's content blocks into the conversation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS, Fields
from aquilon.errors import invalid, unsupported
from aquilon.text.messages import FunctionCall, ImagePart, Message, Part, SignedThoughts, TextPart, ToolCall

UNSIGNED = "aquilon"
"""The signature of thoughts that nobody signed: clients send only thoughts back that have one."""

_NOT_FOR_THE_MODEL = frozenset({"tool_reference", "server_tool_use", "browser_state", "mcp_tool_use"})
"""Blocks about Anthropic's hosted tools, and those whose type ends with ``_tool_result``. They are ignored."""


class BlockSource(Fields):
    """Where an image or a document is: in the request (`base64`, `text`, `content`), or at an address (`url`)."""

    type: str = Field(max_length=100)
    media_type: str | None = Field(None, max_length=200)
    data: str | None = None
    url: str | None = None
    content: Any = Field(None, description="Of a source of type `content`: a text, or blocks of text and images.")


class ContentBlock(Fields):
    """A text, image, document, thought, call of a tool or its result; the type decides which fields are used."""

    type: str = Field(max_length=100)
    text: str | None = None
    source: BlockSource | str | None = None
    title: str | None = None
    context: str | None = None
    id: str | None = Field(None, max_length=256)
    name: str | None = Field(None, max_length=256)
    input: dict[str, Any] | None = None
    tool_use_id: str | None = Field(None, max_length=256)
    content: Any = Field(None, description="Of a tool's result: a text or blocks.")
    is_error: bool | None = Field(None, description="Of a tool's result: the tool failed.")
    thinking: str | None = None
    signature: str | None = Field(None, description="Of a thought: as the answer had it.")
    data: str | None = None


Content = str | Annotated[list[ContentBlock], FIRST_FAULT_ENDS]


class TurnFields(Fields):
    role: Literal["user", "assistant", "system"]
    content: Content = Field(description="A text, or content blocks.")


def conversation(system: Content | None, turns: Sequence[TurnFields]) -> tuple[Message, ...]:
    """The messages for the model. Turns of one role that follow each other are one turn.

    Raises ApiError 400, which names the wrong message.
    """
    messages: list[Message] = []
    if system is not None and (text := _system_text(system, "system")):
        messages.append(Message("system", text))
    function_names: dict[str, str] = {}
    for role, blocks in _turns(turns):
        if role == "system":
            messages.append(Message("system", _text(_parts(blocks))))
        elif role == "assistant":
            message = _assistant(blocks)
            function_names |= {call.id: call.function.name for call in message.tool_calls}
            messages.append(message)
        else:
            messages += _user(blocks, function_names)
    if not any(message.role != "system" for message in messages):
        raise invalid("A conversation needs at least one message with content", param="messages")
    return tuple(messages)


@dataclass(frozen=True)
class _Placed:
    """A block, and the name of the field in which it came."""

    block: ContentBlock
    param: str


def _turns(turns: Sequence[TurnFields]) -> Iterator[tuple[str, list[_Placed]]]:
    """Each turn's role and blocks."""
    role, blocks = "", list[_Placed]()
    for position, turn in enumerate(turns):
        if turn.role != role:
            if blocks:
                yield role, blocks
            role, blocks = turn.role, []
        blocks += _placed(turn.content, f"messages.{position}.content")
    if blocks:
        yield role, blocks


def _placed(content: Content, param: str) -> list[_Placed]:
    if isinstance(content, str):
        return [_Placed(ContentBlock.model_construct(type="text", text=content), param)] if content else []
    return [_Placed(block, f"{param}.{number}") for number, block in enumerate(content)]


def _system_text(system: Content, param: str) -> str:
    return _text(_parts(_placed(system, param)))


def _user(blocks: list[_Placed], function_names: dict[str, str]) -> Iterator[Message]:
    """Results of tools as ``tool`` messages, what stands between them as messages of the user, in the given order."""
    said: list[_Placed] = []
    for placed in blocks:
        if placed.block.type != "tool_result":
            said.append(placed)
            continue
        if said:
            yield from _said(said)
            said = []
        yield _tool_result(placed, function_names)
    yield from _said(said)


def _said(blocks: list[_Placed]) -> Iterator[Message]:
    parts = _parts(blocks)
    if parts:
        yield Message("user", _text(parts), parts=_with_images(parts))


def _tool_result(placed: _Placed, function_names: dict[str, str]) -> Message:
    block, param = placed.block, placed.param
    if not block.tool_use_id:
        raise invalid("A tool_result needs a 'tool_use_id'", param=f"{param}.tool_use_id")
    parts = _parts(_inside(block.content, param))
    text = _text(parts)
    if block.is_error and not text.lower().startswith("error"):
        parts = [TextPart("Error:"), *parts] if not text else [TextPart(f"Error: {text}"), *_images(parts)]
    return Message(
        "tool",
        _text(parts),
        name=function_names.get(block.tool_use_id),
        tool_call_id=block.tool_use_id,
        parts=_with_images(parts),
        failed=bool(block.is_error),
    )


def _inside(content: Any, param: str) -> list[_Placed]:
    """The blocks inside a block. Raises ApiError 400."""
    param = f"{param}.content"
    if content is None or isinstance(content, str):
        return _placed(content or "", param)
    try:
        return _placed([ContentBlock.model_validate(inner) for inner in content], param)
    except (TypeError, ValueError):
        raise invalid("The content must be a text or a list of content blocks", param=param) from None


@dataclass
class _Turn:
    """The assistant's turn while its blocks are read."""

    parts: list[Part] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    signed: list[SignedThoughts] = field(default_factory=list)


def _assistant(blocks: list[_Placed]) -> Message:
    turn = _Turn()
    for placed in blocks:
        block = placed.block
        if block.type == "tool_use":
            turn.calls.append(_call(placed))
        elif block.type == "thinking":
            turn.thoughts.append(block.thinking or "")
            if block.signature and block.signature != UNSIGNED:
                turn.signed.append(SignedThoughts(block.thinking or "", block.signature))
        elif block.type == "redacted_thinking":
            if block.data:
                turn.signed.append(SignedThoughts("", block.data, redacted=True))
        else:
            turn.parts += _parts([placed])
    if _images(turn.parts):
        raise invalid("The assistant's message has an image: only users and tools show images", param=blocks[0].param)
    return Message(
        "assistant",
        _text(turn.parts),
        tool_calls=tuple(turn.calls),
        reasoning="\n".join(filter(None, turn.thoughts)),
        signed_thoughts=tuple(turn.signed),
    )


def _call(placed: _Placed) -> ToolCall:
    block = placed.block
    if not block.id or not block.name:
        raise invalid("A tool_use needs an 'id' and a 'name'", param=placed.param)
    return ToolCall(block.id, FunctionCall(block.name, msgspec.json.encode(block.input or {}).decode()))


def _parts(blocks: Sequence[_Placed]) -> list[Part]:
    """What the model reads of blocks other than thoughts and calls. Raises ApiError 400."""
    return [part for placed in blocks for part in _parts_of(placed)]


def _parts_of(placed: _Placed) -> Iterator[Part]:
    block, param = placed.block, placed.param
    match block.type:
        case "text":
            if block.text is None:
                raise invalid("A text block has no 'text'", param=f"{param}.text")
            if block.text:
                yield TextPart(block.text)
        case "image":
            yield _image(block, param)
        case "document" | "search_result":
            about = [block.title, block.source if isinstance(block.source, str) else None, block.context]
            yield from (TextPart(text) for text in about if text)
            yield from _document(block, param)
        case "tool_use" | "tool_result" | "thinking" | "redacted_thinking":
            whose = "a user's" if block.type == "tool_result" else "the assistant's"
            raise invalid(f"A block of type '{block.type}' belongs into {whose} message", param=param)
        case type_ if type_ not in _NOT_FOR_THE_MODEL and not type_.endswith("_tool_result"):
            raise unsupported(f"A content block of type '{type_}' is", param=f"{param}.type")


def _document(block: ContentBlock, param: str) -> Iterator[Part]:
    source, content = block.source, block.content
    if isinstance(source, BlockSource):
        if source.type not in ("text", "content"):
            raise invalid(
                f"A document must come as text (a source of type 'text' or 'content'), not as '{source.type}': this "
                "server reads no PDF and fetches nothing",
                param=f"{param}.source",
                code="unsupported",
            )
        content = source.data if source.type == "text" else source.content
    for placed in _inside(content, param):
        if placed.block.type not in ("text", "image"):
            raise unsupported(f"A block of type '{placed.block.type}' inside a document is", param=placed.param)
        yield from _parts_of(placed)


def _image(block: ContentBlock, param: str) -> ImagePart:
    source = block.source
    if isinstance(source, BlockSource):
        if source.type == "base64" and source.data and (source.media_type or "").startswith("image/"):
            return ImagePart(f"data:{source.media_type};base64,{source.data}")
        if source.type == "url" and (source.url or "").startswith(("https://", "data:image/")):
            return ImagePart(source.url or "")
    raise invalid(
        "An image's source must be {'type': 'base64', 'media_type': 'image/…', 'data': …} or {'type': 'url'} with an "
        "https address",
        param=f"{param}.source",
    )


def _images(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if isinstance(part, ImagePart)]


def _with_images(parts: Sequence[Part]) -> tuple[Part, ...]:
    """All parts if any is an image."""
    return tuple(parts) if _images(parts) else ()


def _text(parts: Sequence[Part]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))
