"""Reads what a line of training data says: a conversation, or a pair of answers of which one is preferred.

Messages and tools are in OpenAI's form. Imports no torch: commands and servers check data with it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from aquilon.text.messages import FunctionCall, Message, Role, Tool, ToolCall
from aquilon.text.tokenizer import require_unicode

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_OTHER_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "function": "tool",
}
"""What other formats call them."""

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_MESSAGE_FIELDS = ("role", "content", "name", "weight", "tool_calls", "tool_call_id", "refusal", *_THOUGHTS)
_LINE_FIELDS = ("messages", "tools", "parallel_tool_calls")
_OPENAI_PAIR_FIELDS = ("input", "preferred_output", "non_preferred_output")
_PAIR_FIELDS = ("prompt", "chosen", "rejected", "tools")
_MOST_MESSAGES = 4096
_MOST_DEPTH = 100
_NUMBER = re.compile(r"\[\d+\]")


class UnusableLine(ValueError):
    """A line that can't be trained on; the message says what is wrong, with which value, and what would be right."""


@dataclass(frozen=True)
class Conversation:
    messages: tuple[Message, ...]
    trained: tuple[bool, ...]
    """Of each message, whether the model learns to write it: an assistant's, unless its ``weight`` is 0."""
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two endings of one conversation, of which the first is preferred."""

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()


def conversation(fields: Mapping[str, Any], *, ignored: set[str] | None = None) -> Conversation:
    """A line ``{"messages": […], "tools": […]}``. Raises UnusableLine.

    ``ignored`` gets the names of the fields that nothing reads.
    """
    _check_names(fields, _LINE_FIELDS, "", ignored)
    if "messages" not in fields:
        raise UnusableLine(_without_messages(fields))
    messages, weights = _messages(fields["messages"], "messages", ignored)
    if messages[-1].role != "assistant":
        raise UnusableLine(
            f"the last message is of the role {messages[-1].role!r}: it must be the assistant's, which is trained"
        )
    trained = tuple(message.role == "assistant" and weight for message, weight in zip(messages, weights, strict=True))
    if not any(trained):
        raise UnusableLine("no message is trained: all of the assistant's have the weight 0")
    return Conversation(messages, trained, _tools(fields.get("tools"), "tools"))


def pair(fields: Mapping[str, Any], *, ignored: set[str] | None = None) -> Pair:
    """A line in either form of `protocol.Dpo`. Raises UnusableLine. ``ignored`` as in `conversation`."""
    openai = any(name in fields for name in _OPENAI_PAIR_FIELDS)
    names = _OPENAI_PAIR_FIELDS if openai else _PAIR_FIELDS
    _check_names(fields, names, "", ignored)
    missing = [name for name in names if name not in fields and name != "tools"]
    if missing:
        raise UnusableLine(
            f"{missing[0]!r} is missing: a pair is {{'input': {{'messages': […]}}, 'preferred_output': […], "
            "'non_preferred_output': […]} or {'prompt': […], 'chosen': […], 'rejected': […]}"
        )
    if openai:
        given = _object(fields["input"], "input")
        _check_names(given, _LINE_FIELDS, "input.", ignored)
        asked, tools = given.get("messages"), given.get("tools")
        sides = (fields["preferred_output"], fields["non_preferred_output"])
    else:
        asked, tools = fields["prompt"], fields.get("tools")
        sides = (fields["chosen"], fields["rejected"])
    prompt, _ = _messages(_as_messages(asked, "user"), "input.messages" if openai else names[0], ignored)
    chosen, _ = _messages(_as_messages(sides[0], "assistant"), names[1], ignored, after=prompt)
    rejected, _ = _messages(_as_messages(sides[1], "assistant"), names[2], ignored, after=prompt)
    for name, messages in ((names[1], chosen), (names[2], rejected)):
        if messages[-1].role != "assistant":
            raise UnusableLine(
                f"the last message of {name!r} is of the role {messages[-1].role!r}, not the assistant's"
            )
    if chosen == rejected:
        raise UnusableLine(f"{names[1]!r} and {names[2]!r} are the same: there is nothing to prefer")
    return Pair(prompt, chosen, rejected, _tools(tools, "input.tools" if openai else "tools"))


def _as_messages(value: Any, role: str) -> Any:
    """TRL's plain form has texts in place of messages."""
    return [{"role": role, "content": value}] if isinstance(value, str) else value


def _without_messages(fields: Mapping[str, Any]) -> str:
    expected = 'a line is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'
    if "conversations" in fields or "conversation" in fields:
        return f"'messages' is missing, and 'conversations' (ShareGPT's form) isn't read: {expected}"
    if nearest := _nearest(fields, ["messages"]):
        return f"'messages' is missing: is {nearest[0]!r} meant to be it?"
    names = ", ".join(repr(str(name)[:40]) for name in list(fields)[:8]) or "none"
    return f"'messages' is missing; the line's fields are {names}: {expected}"


def _messages(
    value: Any, place: str, ignored: set[str] | None, *, after: tuple[Message, ...] = ()
) -> tuple[tuple[Message, ...], tuple[bool, ...]]:
    """The messages, and whether each has a weight. ``after``: the messages before them."""
    if not isinstance(value, list):
        raise UnusableLine(f"{place!r} is {_kind(value)}: it must be a list of messages")
    if not value:
        raise UnusableLine(f"{place!r} is empty: a conversation needs at least one message")
    if len(value) > _MOST_MESSAGES:
        raise UnusableLine(f"{place!r} has {len(value)} messages: the most is {_MOST_MESSAGES}")
    messages: list[Message] = []
    weights = []
    called = {call.id: call.function.name for message in after for call in message.tool_calls}
    for number, fields in enumerate(value):
        where = f"{place}[{number}]"
        message, weight = _message(_object(fields, where), where, called, ignored)
        called |= {call.id: call.function.name for call in message.tool_calls}
        messages.append(message)
        weights.append(weight)
    return tuple(messages), tuple(weights)


def _message(
    fields: Mapping[str, Any], where: str, called: Mapping[str, str], ignored: set[str] | None
) -> tuple[Message, bool]:
    if "role" not in fields:
        near = _nearest(fields, ["role"]) or [name for name in ("from", "speaker", "author") if name in fields]
        hint = f"is {near[0]!r} meant to be it?" if near else "it is one of " + ", ".join(_ROLES)
        raise UnusableLine(f"{where}: 'role' is missing: {hint}")
    if fields.get("function_call"):
        raise UnusableLine(f"{where}: 'function_call' isn't read: give the call in 'tool_calls'")
    _check_names(fields, _MESSAGE_FIELDS, f"{where}.", ignored)
    role = _role(fields["role"], where)
    calls = _calls(fields.get("tool_calls"), f"{where}.tool_calls")
    if calls and role != "assistant":
        raise UnusableLine(f"{where}: only the assistant calls tools, and this message's role is {role!r}")
    content = _content(fields.get("content"), where)
    if role == "assistant" and not content and isinstance(fields.get("refusal"), str):
        content = fields["refusal"]
    thoughts = next((fields[name] for name in _THOUGHTS if fields.get(name)), "")
    if not isinstance(thoughts, str):
        raise UnusableLine(f"{where}: the thoughts are {_kind(thoughts)}: they must be text")
    if not content and not calls:
        raise UnusableLine(f"{where}: 'content' is {'empty' if 'content' in fields else 'missing'}: it must be text")
    call_id, name = fields.get("tool_call_id"), fields.get("name")
    for field, text in (("tool_call_id", call_id), ("name", name)):
        if text is not None and not isinstance(text, str):
            raise UnusableLine(f"{where}.{field} is {_kind(text)}: it must be text")
    if role == "tool":
        if call_id is not None and call_id not in called:
            raise UnusableLine(f"{where}.tool_call_id is {call_id[:60]!r}: no call before it has this id")
        name = name or called.get(call_id or "")
    _check_text(where, content, thoughts, name or "")
    message = Message(
        role, content, name=name, tool_calls=calls, tool_call_id=call_id, reasoning=thoughts if calls or content else ""
    )
    return message, _weight(fields.get("weight"), role, where)


def _role(value: Any, where: str) -> Role:
    if isinstance(value, str) and value in _ROLES:
        return _ROLES[value]
    if not isinstance(value, str):
        raise UnusableLine(f"{where}.role is {_kind(value)}: it is one of {', '.join(_ROLES)}")
    lowered = value.strip().lower()
    near = _OTHER_ROLES.get(lowered) or next(iter(difflib.get_close_matches(lowered, list(_ROLES), 1, 0.5)), None)
    hint = f"did you mean {near!r}?" if near else f"it is one of {', '.join(_ROLES)}"
    raise UnusableLine(f"{where}.role is {value[:40]!r}: {hint}")


def _content(value: Any, where: str) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        raise UnusableLine(f"{where}.content is {_kind(value)}: it must be text, or a list of parts with text")
    texts = []
    for number, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            what = repr(str(kind)[:40]) if kind is not None and kind != "text" else "no text"
            raise UnusableLine(f"{where}.content[{number}] is {what}: only text can be trained on")
        texts.append(part["text"])
    return "\n".join(texts)


def _calls(value: Any, where: str) -> tuple[ToolCall, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UnusableLine(f"{where} is {_kind(value)}: it must be a list of calls")
    calls = []
    for number, fields in enumerate(value):
        place = f"{where}[{number}]"
        call = _object(fields, place)
        function = _object(call.get("function"), f"{place}.function")
        name, arguments = function.get("name"), function.get("arguments", "{}")
        if not isinstance(name, str) or not name:
            raise UnusableLine(f"{place}.function.name is {_kind(name)}: it must be the function's name")
        if isinstance(arguments, dict):  # Mistral's form
            arguments = json.dumps(arguments, ensure_ascii=False)
        if not isinstance(arguments, str) or not _is_object(arguments):
            raise UnusableLine(f"{place}.function.arguments is {arguments!r:.60}: it must be a JSON object, as text")
        call_id = call.get("id")
        if call_id is not None and not isinstance(call_id, str):
            raise UnusableLine(f"{place}.id is {_kind(call_id)}: it must be text")
        _check_text(place, name, arguments, call_id or "")
        calls.append(ToolCall(call_id or f"call_{number}", FunctionCall(name, arguments)))
    return tuple(calls)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _tools(value: Any, where: str) -> tuple[Tool, ...]:
    if isinstance(value, str):  # in tables each line must have the same form, so that tools are JSON in a text
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise UnusableLine(f"{where} is a text that is no JSON: {error}") from None
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UnusableLine(f"{where} is {_kind(value)}: it must be a list of tools")
    tools = []
    for number, fields in enumerate(value):
        place = f"{where}[{number}]"
        tool = _object(fields, place)
        function = _object(tool.get("function", tool if "name" in tool else None), f"{place}.function")
        name, description = function.get("name"), function.get("description") or ""
        parameters = function.get("parameters") or {}
        if not isinstance(name, str) or not name:
            raise UnusableLine(f"{place}.function.name is {_kind(name)}: it must be the function's name")
        if not isinstance(description, str):
            raise UnusableLine(f"{place}.function.description is {_kind(description)}: it must be text")
        if not isinstance(parameters, dict):
            raise UnusableLine(f"{place}.function.parameters is {_kind(parameters)}: it must be a JSON schema")
        if _is_deeper(parameters, _MOST_DEPTH):
            raise UnusableLine(f"{place}.function.parameters is nested more than {_MOST_DEPTH} levels deep")
        _check_text(place, name, description)
        tools.append(Tool(name, description, parameters))
    return tuple(tools)


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(part, levels - 1) for part in inside)


def _weight(value: Any, role: Role, where: str) -> bool:
    if value is None:
        return True
    if role != "assistant":
        raise UnusableLine(f"{where}.weight: only the assistant's messages have a weight, and this role is {role!r}")
    if isinstance(value, bool) or value not in (0, 1):
        raise UnusableLine(f"{where}.weight is {value!r:.40}: it must be 1, or 0 for a message that isn't trained")
    return bool(value)


def _check_text(where: str, *texts: str) -> None:
    try:
        for text in texts:
            require_unicode(text)
    except ValueError as error:
        raise UnusableLine(f"{where}: {error}") from None


def _check_names(fields: Mapping[str, Any], names: Collection[str], place: str, ignored: set[str] | None) -> None:
    """Raises UnusableLine for a field whose name looks like a misspelt one."""
    for name in fields:
        if name in names:
            continue
        near = difflib.get_close_matches(str(name), [one for one in names if one not in fields], n=1, cutoff=0.75)
        if near:
            raise UnusableLine(f"{place}{name!r:.60} is unknown: did you mean {near[0]!r}?")
        if ignored is not None and len(ignored) < 100:
            ignored.add(_NUMBER.sub("[]", place) + str(name)[:60])


def _nearest(fields: Mapping[str, Any], names: list[str]) -> list[str]:
    """The line's fields that look like one of these names."""
    return [str(name) for name in fields if difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.6)]


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnusableLine(f"{where} is {_kind(value)}: it must be an object")
    return cast(Mapping[str, Any], value)


def _kind(value: Any) -> str:
    """What a value is, for people."""
    match value:
        case None:
            return "missing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value!r:.40}"
        case str():
            return f"the text {value!r:.40}"
        case list():
            return "a list"
        case _:
            return "an object"
