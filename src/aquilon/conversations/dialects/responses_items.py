"""The items of a conversation as clients send them in the shape of ``/v1/responses``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS, Fields
from aquilon.conversations.dialects.responses_tools import ResponsesTool, arguments_of_input, function_name
from aquilon.conversations.dialects.tool_fields import MAX_TOOLS
from aquilon.conversations.footnotes import SEARCH, Searched, search_record
from aquilon.conversations.items import (
    CalledTool,
    CallItem,
    CallOutputItem,
    CompactionItem,
    Image,
    Item,
    MessageItem,
    OtherItem,
    Part,
    ReasoningItem,
    Text,
)
from aquilon.errors import invalid, not_found, unsupported
from aquilon.people.identity import Principal

ADDED_TOOLS = "additional_tools"
"""The type of an item with tools."""
_TEXTS = ("input_text", "output_text", "text", "reasoning_text", "summary_text")
_COMPACTIONS = ("compaction", "compaction_summary", "context_compaction")


class InputPart(Fields):
    type: str = Field(max_length=100)
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = Field(None, description="A `data:image/…;base64,…` address or an https address.")
    detail: str | None = Field(None, max_length=100)
    annotations: Annotated[list[dict[str, Any]], Field(max_length=1000)] | None = None


class InputItem(Fields):
    """A message, a call of a function or custom tool, its output, or thoughts; the type decides which fields are
    used."""

    type: str = Field("message", max_length=100)
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | Annotated[list[InputPart], FIRST_FAULT_ENDS] | None = None
    phase: str | None = Field(
        None, max_length=100, description="Of an assistant's message: `commentary` or `final_answer`. Kept as it is."
    )
    call_id: str | None = Field(None, max_length=256)
    name: str | None = Field(None, max_length=256)
    namespace: str | None = Field(None, max_length=256, description="The namespace of the called tool.")
    arguments: str | None = None
    input: str | None = Field(None, description="What a custom tool was called with.")
    output: str | Annotated[list[InputPart], FIRST_FAULT_ENDS] | None = None
    summary: str | Annotated[list[InputPart], FIRST_FAULT_ENDS] | None = None
    encrypted_content: str | None = None
    id: str | None = Field(None, max_length=256)
    tools: Annotated[list[ResponsesTool], Field(max_length=MAX_TOOLS)] | None = Field(
        None,
        description="Of an item `additional_tools`: offered beside the request's own, or in place of the same name.",
    )


async def referred_items(
    conversations: Conversations, caller: Principal, input_: str | list[InputItem] | None
) -> dict[str, Item]:
    """By id, the stored items that the input refers to."""
    if not isinstance(input_, list):
        return {}
    ids = [item.id for item in input_ if item.type == "item_reference" and item.id is not None]
    return await conversations.items_by_id(caller, ids) if ids else {}


def items(
    input_: str | list[InputItem] | None, *, known: Mapping[str, Item] | None = None, param: str = "input"
) -> list[Item]:
    """The canonical items. Without input there is an empty message of the user.

    ``known``: by id, the stored items that the client may refer to. Raises ApiError, which names the wrong item: 400
    for an invalid item, 404 for a reference to an unknown one.
    """
    if input_ is None or isinstance(input_, str):
        return [MessageItem("user", (Text(input_ or ""),))]
    return [
        _item(item, f"{param}.{position}", position, known or {})
        for position, item in enumerate(input_)
        if item.type != ADDED_TOOLS  # they are among the request's tools
    ]


def _item(item: InputItem, param: str, position: int, known: Mapping[str, Item]) -> Item:
    match item.type:
        case "message":
            return _message(item, param, position)
        case "function_call" | "custom_tool_call":
            return _call(item, param, position)
        case "function_call_output" | "custom_tool_call_output":
            if not item.call_id or item.output is None:
                raise invalid(f"Item {position} is an output without a 'call_id' or an 'output'", param=param)
            custom = item.type == "custom_tool_call_output"
            return CallOutputItem(item.call_id, _parts(item.output, f"{param}.output"), custom=custom)
        case "reasoning":
            text, summary = _joined(item.content), _joined(item.summary)
            return ReasoningItem(text, summary, sealed=item.encrypted_content)
        case "item_reference":
            if (stored := known.get(item.id or "")) is not None:
                return stored
            raise not_found(
                f"Item {position} refers to '{(item.id or '')[:100]}', which is not stored: send the item itself",
                param=param,
                code="item_not_found",
            )
        case _ if item.type == SEARCH:  # of an earlier answer; no model reads it
            return OtherItem(SEARCH, search_record(Searched(0, [], [])))
        case _ if item.type in _COMPACTIONS:
            return CompactionItem(_joined(item.summary) or _joined(item.content) or item.encrypted_content or "")
        case _:
            raise unsupported(f"An item of type '{item.type}' is", param=f"{param}.type")


def _joined(content: str | list[InputPart] | None) -> str:
    return content if isinstance(content, str) else "".join(part.text or "" for part in content or ())


def _message(item: InputItem, param: str, position: int) -> MessageItem:
    if item.role is None:
        raise invalid(f"Item {position} is a message without a role", param=f"{param}.role")
    if item.content is None:
        raise invalid(f"Item {position} is a message without content", param=f"{param}.content")
    return MessageItem(item.role, _parts(item.content, f"{param}.content"), phase=item.phase)


def _call(item: InputItem, param: str, position: int) -> CallItem:
    if not item.call_id or not item.name:
        raise invalid(f"Item {position} is a call without a 'call_id' or a 'name'", param=param)
    custom = item.type == "custom_tool_call"
    arguments = arguments_of_input(item.input or "") if custom else item.arguments or "{}"
    is_function = not custom and item.namespace is None
    tool = None if is_function else CalledTool(item.name, item.namespace, custom)
    return CallItem(item.call_id, function_name(item.name, item.namespace), arguments, tool)


def _parts(content: str | list[InputPart], param: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(part, param) for part in content)


def _part(part: InputPart, param: str) -> Part:
    if part.type in _TEXTS and part.text is not None:
        return Text(part.text, tuple(part.annotations or ()))
    if part.type == "refusal" and part.refusal is not None:
        return Text(part.refusal)
    if part.type == "input_image" and part.image_url is not None:
        if not part.image_url.startswith(("data:image/", "https://")):
            raise invalid("image_url must be 'data:image/…;base64,…' or an https address", param=param)
        return Image(part.image_url, part.detail)
    if part.type in (*_TEXTS, "refusal", "input_image"):
        raise invalid(f"A part of type '{part.type}' has no content", param=param)
    raise unsupported(f"Content of type '{part.type}' is", param=param)
