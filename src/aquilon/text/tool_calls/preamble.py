"""Tools for models whose chat template has none: the system message explains them, in Hermes' format."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from aquilon.text.messages import FunctionCall, Message, Tool
from aquilon.text.tool_calls.hermes import CLOSING, OPENING, HermesFormat

_PREAMBLE = """\
You may call functions to help with the user's question. These are the functions, one JSON object a line:
<tools>
{tools}
</tools>
To call a function, answer with a JSON object with its name and its arguments, in these marks:
<tool_call>
{{"name": "a function's name", "arguments": {{"an argument's name": "its value"}}}}
</tool_call>
The results then come in <tool_response> marks."""


class PreambleFormat(HermesFormat):
    renders_tools = False

    def calls(self, *, parallel: bool) -> str:
        """One call: a model that wasn't trained for tools repeats a required call."""
        return super().calls(parallel=False)


def with_tools(messages: Sequence[Message], tools: Sequence[Tool], *, system: bool = True) -> tuple[Message, ...]:
    """The conversation as text alone: tools in a preamble, calls and their results as text.

    With ``system`` false the preamble begins the first user message, for templates
    without a system message.
    """
    plain = [_plain(message) for message in messages]
    merged: list[Message] = []
    for message, original in zip(plain, messages, strict=True):
        if (
            original.role == "tool"
            and merged
            and merged[-1].role == "user"
            and merged[-1].content.startswith(_RESPONSE)
        ):
            merged[-1] = Message("user", f"{merged[-1].content}\n{message.content}")
        else:
            merged.append(message)
    if not tools:
        return tuple(merged)
    preamble = _PREAMBLE.format(tools="\n".join(map(_described, tools)))
    role = "system" if system else "user"
    if merged and merged[0].role == role:
        first = merged[0]
        text = f"{first.content}\n\n{preamble}" if system else f"{preamble}\n\n{first.content}"
        merged[0] = msgspec.structs.replace(first, content=text)
    elif system:
        merged.insert(0, Message("system", preamble))
    elif merged and merged[0].role == "system":
        opening = f"{merged[0].content}\n\n{preamble}"
        follows = merged[1] if len(merged) > 1 and merged[1].role == "user" else None
        content = opening if follows is None else f"{opening}\n\n{follows.content}"
        merged[: 1 if follows is None else 2] = [Message("user", content)]
    else:
        merged.insert(0, Message("user", preamble))
    return tuple(merged)


_RESPONSE = "<tool_response>"


def _plain(message: Message) -> Message:
    if message.role == "tool":
        return Message("user", f"{_RESPONSE}\n{message.content}\n</tool_response>")
    if message.tool_calls:
        calls = [_written(call.function) for call in message.tool_calls]
        content = "\n".join([*([message.content] if message.content else []), *calls])
        return Message(message.role, content, reasoning=message.reasoning)
    return message


def _written(call: FunctionCall) -> str:
    return f'{OPENING}\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments or "{}"}}}\n{CLOSING}'


def _described(tool: Tool) -> str:
    return json.dumps(
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters}, ensure_ascii=False
    )
