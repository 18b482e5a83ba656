"""The input of ``POST /v1/responses``: turns the items of a conversation into messages."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from aquilon.api.body import FIRST_FAULT_ENDS, Fields
from aquilon.api.generation.responses_tools import ResponsesTool, arguments_of_input, function_name
from aquilon.api.generation.tool_fields import MAX_TOOLS
from aquilon.errors import invalid, not_found, unsupported
from aquilon.text.messages import FunctionCall, ImagePart, Message, Part, Role, TextPart, ToolCall

ADDED_TOOLS = "additional_tools"
"""The type of an item with tools."""
_CALLS = ("function_call", "custom_tool_call")
_TEXTS = ("input_text", "output_text", "text")


class InputPart(Fields):
    type: str = Field(max_length=100)
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = Field(None, description="A `data:image/…;base64,…` address or an https address.")
    detail: str | None = Field(None, max_length=100)


class InputItem(Fields):
    """A message, a call of a function or custom tool, its output, or thoughts; the type decides which fields are
    used."""

    type: str = Field("message", max_length=100)
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | Annotated[list[InputPart], FIRST_FAULT_ENDS] | None = None
    call_id: str | None = Field(None, max_length=256)
    name: str | None = Field(None, max_length=256)
    namespace: str | None = Field(None, max_length=256, description="The namespace of the called tool.")
    arguments: str | None = None
    input: str | None = Field(None, description="What a custom tool was called with.")
    output: str | Annotated[list[InputPart], FIRST_FAULT_ENDS] | None = None
    summary: Annotated[list[InputPart], FIRST_FAULT_ENDS] | None = None
    id: str | None = Field(None, max_length=256)
    tools: Annotated[list[ResponsesTool], Field(max_length=MAX_TOOLS)] | None = Field(
        None,
        description="Of an item `additional_tools`: offered beside the request's own, or in place of the same name.",
    )


def messages(instructions: str | None, items: str | list[InputItem] | None) -> tuple[Message, ...]:
    """The conversation for the model. Without input it ends with an empty message of the user.

    Raises ApiError, which names the wrong item: 400 for an invalid item, 404 for a reference to a stored item.
    """
    conversation = [] if instructions is None else [Message("system", instructions)]
    if items is None or isinstance(items, str):
        return (*conversation, Message("user", items or ""))
    calls: list[ToolCall] = []
    thoughts = ""
    function_names: dict[str, str] = {}
    for position, item in enumerate(items):
        if item.type not in _CALLS and calls:
            _attach(conversation, calls, thoughts)
            thoughts = ""
        match item.type:
            case "message":
                message = _message(item, position)
                is_assistant = message.role == "assistant"
                conversation.append(msgspec.structs.replace(message, reasoning=thoughts) if is_assistant else message)
                thoughts = ""
            case "function_call" | "custom_tool_call":
                calls.append(call := _call(item, position))
                function_names[call.id] = call.function.name
            case "function_call_output" | "custom_tool_call_output":
                conversation.append(_output(item, position, function_names))
            case "reasoning":
                thoughts += _thoughts(item)
            case item_type if item_type == ADDED_TOOLS:
                pass  # they are among the request's tools
            case "item_reference":
                raise not_found(
                    f"Item {position} refers to '{(item.id or '')[:100]}': send the item itself",
                    param=f"input.{position}",
                    code="item_not_found",
                )
            case _:
                raise unsupported(f"An item of type '{item.type}' is", param=f"input.{position}.type")
    if calls:
        _attach(conversation, calls, thoughts)
    if not conversation:
        raise invalid("The input has no message and no output of a function: there is nothing to answer", param="input")
    if conversation[-1].tool_calls:
        names = ", ".join(call.function.name for call in conversation[-1].tool_calls)
        raise invalid(f"The input ends with calls whose outputs are missing: {names[:500]}", param="input")
    return tuple(conversation)


def _attach(conversation: list[Message], calls: list[ToolCall], thoughts: str) -> None:
    """Moves ``calls`` and the thoughts before them into the assistant's message that they follow, or into a new one."""
    turn = conversation.pop() if conversation and conversation[-1].role == "assistant" else Message("assistant")
    all_calls, reasoning = (*turn.tool_calls, *calls), turn.reasoning + thoughts
    conversation.append(msgspec.structs.replace(turn, tool_calls=all_calls, reasoning=reasoning))
    calls.clear()


def _thoughts(item: InputItem) -> str:
    """The thoughts themselves, or their summary if the client has no more of them."""
    if isinstance(item.content, str):
        return item.content
    return "".join(part.text or "" for part in item.content or item.summary or ())


def _message(item: InputItem, position: int) -> Message:
    if item.role is None:
        raise invalid(f"Item {position} is a message without a role", param=f"input.{position}.role")
    if item.content is None:
        raise invalid(f"Item {position} is a message without content", param=f"input.{position}.content")
    role: Role = "system" if item.role == "developer" else item.role
    text, parts = _content(item.content, f"input.{position}.content")
    return Message(role, text, parts=parts)


def _call(item: InputItem, position: int) -> ToolCall:
    if not item.call_id or not item.name:
        raise invalid(f"Item {position} is a call without a 'call_id' or a 'name'", param=f"input.{position}")
    arguments = arguments_of_input(item.input or "") if item.type == "custom_tool_call" else item.arguments or "{}"
    return ToolCall(item.call_id, FunctionCall(function_name(item.name, item.namespace), arguments))


def _output(item: InputItem, position: int, function_names: dict[str, str]) -> Message:
    """``function_names``: by id, the function of each call so far."""
    if not item.call_id or item.output is None:
        raise invalid(f"Item {position} is an output without a 'call_id' or an 'output'", param=f"input.{position}")
    text, parts = _content(item.output, f"input.{position}.output")
    return Message("tool", text, name=function_names.get(item.call_id), tool_call_id=item.call_id, parts=parts)


def _content(content: str | list[InputPart], param: str) -> tuple[str, tuple[Part, ...]]:
    """The text of all parts, and the parts themselves if any is an image."""
    if isinstance(content, str):
        return content, ()
    parts = tuple(_part(part, param) for part in content)
    text = "\n".join(part.text for part in parts if isinstance(part, TextPart))
    return text, parts if any(isinstance(part, ImagePart) for part in parts) else ()


def _part(part: InputPart, param: str) -> Part:
    if part.type in _TEXTS and part.text is not None:
        return TextPart(part.text)
    if part.type == "refusal" and part.refusal is not None:
        return TextPart(part.refusal)
    if part.type == "input_image" and part.image_url is not None:
        if not part.image_url.startswith(("data:image/", "https://")):
            raise invalid("image_url must be 'data:image/…;base64,…' or an https address", param=param)
        return ImagePart(part.image_url, part.detail)
    if part.type in (*_TEXTS, "refusal", "input_image"):
        raise invalid(f"A part of type '{part.type}' has no content", param=param)
    raise unsupported(f"Content of type '{part.type}' is", param=param)
