"""Items as the messages that a model reads, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from aquilon.conversations.items import (
    CallItem,
    CallOutputItem,
    CompactionItem,
    Image,
    Item,
    MessageItem,
    Part,
    ReasoningItem,
    Text,
)
from aquilon.text.messages import FunctionCall, ImagePart, Message, SignedThoughts, TextPart, ToolCall
from aquilon.text.messages import Part as MessagePart

_SUMMARY = "Summary of the conversation so far:\n\n"


def messages_of(items: Iterable[Item]) -> list[Message]:
    """Thoughts and calls become part of the assistant's message that they belong to.

    A summary stands for all items before it but for instructions.
    """
    messages: list[Message] = []
    thoughts, signed, calls = list[str](), list[SignedThoughts](), list[ToolCall]()
    function_names: dict[str, str] = {}

    def attach() -> None:
        """Move ``calls`` into the assistant's message that they follow, or into a new one."""
        if not calls:
            return
        turn = messages.pop() if messages and messages[-1].role == "assistant" else Message("assistant")
        messages.append(
            msgspec.structs.replace(
                turn,
                tool_calls=(*turn.tool_calls, *calls),
                reasoning="\n".join(filter(None, (turn.reasoning, *thoughts))),
                signed_thoughts=(*turn.signed_thoughts, *signed),
            )
        )
        for used in (thoughts, signed, calls):
            used.clear()

    for item in items:
        if not isinstance(item, CallItem):
            attach()
        match item:
            case MessageItem():
                role = "system" if item.role == "developer" else item.role
                message = Message(role, item.text, item.name, parts=_parts(item.content), more=item.more)
                if role == "assistant":
                    reasoning = "\n".join(filter(None, thoughts))
                    message = msgspec.structs.replace(message, reasoning=reasoning, signed_thoughts=tuple(signed))
                messages.append(message)
                thoughts.clear()
                signed.clear()
            case ReasoningItem():
                thoughts.append(item.text or item.summary)
                if item.signature:
                    signed.append(SignedThoughts(item.text, item.signature, item.redacted))
            case CallItem():
                calls.append(ToolCall(item.call_id, FunctionCall(item.name, item.arguments), item.more))
                function_names[item.call_id] = item.name
            case CallOutputItem():
                name = item.name or function_names.get(item.call_id)
                parts = _parts(item.output)
                failed = item.failed
                messages.append(Message("tool", item.text, name, tool_call_id=item.call_id, parts=parts, failed=failed))
            case CompactionItem():
                messages = [message for message in messages if message.role == "system"]
                messages.append(Message("user", _SUMMARY + item.summary))
                thoughts.clear()
                signed.clear()
            case _:
                pass  # no model reads it
    attach()
    return messages


def items_of(messages: Sequence[Message]) -> list[Item]:
    """The items that `messages_of` turns into these messages."""
    items: list[Item] = []
    for message in messages:
        if message.role == "tool":
            output = CallOutputItem(message.tool_call_id or "", _content(message), message.failed, name=message.name)
            items.append(output)
            continue
        if message.signed_thoughts:
            items += [
                ReasoningItem(thoughts.text, signature=thoughts.signature, redacted=thoughts.redacted)
                for thoughts in message.signed_thoughts
            ]
        elif message.reasoning:
            items.append(ReasoningItem(message.reasoning))
        if message.content or message.parts or not message.tool_calls:
            items.append(MessageItem(message.role, _content(message), message.name, message.more))
        for call in message.tool_calls:
            items.append(CallItem(call.id, call.function.name, call.function.arguments, more=call.more))
    return items


def _parts(content: Sequence[Part]) -> tuple[MessagePart, ...]:
    """Empty for text alone, which is in the message's ``content``."""
    if all(isinstance(part, Text) for part in content):
        return ()
    parts: list[MessagePart] = []
    for part in content:
        if isinstance(part, Text):
            parts.append(TextPart(part.text))
        elif isinstance(part, Image):
            parts.append(ImagePart(part.url, part.detail))
    return tuple(parts)


def _content(message: Message) -> tuple[Part, ...]:
    if not message.parts:
        return (Text(message.content),)
    return tuple(
        Text(part.text) if isinstance(part, TextPart) else Image(part.url, part.detail) for part in message.parts
    )
