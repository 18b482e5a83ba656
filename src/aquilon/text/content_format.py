"""Finds out how a chat template reads a message's content: as one text, or as a list of parts.

Most templates print the content. Some read ``[{"type": "text", "text": …}]`` (Llama
Guard 3's does) and print nothing for a text. So each template renders trial conversations,
whose contents are recognizable in the rendered text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_MARKS = {role: f"qz{role}qz" for role in ("system", "user", "assistant", "tool")}
"""Each role's content in a trial: only letters, so that a template may trim it or change its case."""
_CALL = {"id": "call00001", "type": "function", "function": {"name": "look", "arguments": {"at": "it"}}}
_TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look at something",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
    },
}


def _messages(*roles: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": _MARKS[role]} for role in roles]


_CALLING = [
    *_messages("user"),
    {**_messages("assistant")[0], "tool_calls": [_CALL]},
    {**_messages("tool")[0], "name": "look", "tool_call_id": "call00001"},
]
TRIALS: Sequence[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = (
    (_messages("system", "user", "assistant", "user"), []),
    (_messages("user", "assistant", "user"), []),
    (_messages("user"), []),
    (_CALLING, [_TOOL]),
)
"""Conversations and their tools, in the fields that templates read."""


class ContentFormat:
    """How one template reads contents; the trials take some milliseconds."""

    def __init__(self, render: Callable[[list[dict[str, Any]], list[dict[str, Any]]], str]) -> None:
        """``render`` gets messages and tools; it raises ValueError if the template doesn't take them."""
        self.failure: ValueError | None = None
        """Why the template renders none of the trials; None if it renders one."""
        unseen, in_parts, renders = set(_MARKS), set[str](), False
        for as_parts in (False, True):
            for messages, tools in TRIALS:
                if unseen.isdisjoint(message["role"] for message in messages):
                    continue
                try:
                    text = render([_in_parts(message) for message in messages] if as_parts else messages, tools)
                except ValueError as error:
                    self.failure = self.failure or error
                    continue
                renders = True
                seen = {role for role in unseen if _says(text.lower(), _MARKS[role])}
                unseen -= seen
                in_parts |= seen if as_parts else set()
        if renders:
            self.failure = None
        self._in_parts = frozenset(in_parts | unseen if "user" in in_parts else in_parts)

    def shape(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message with a text as its content, in the form that the template reads."""
        return _in_parts(message) if message["role"] in self._in_parts else message


def _says(text: str, mark: str) -> bool:
    """Whether a mark was rendered as text, not inside a list of parts that was printed whole."""
    return mark in text and f"'text': '{mark}" not in text and f'"text": "{mark}' not in text


def _in_parts(message: dict[str, Any]) -> dict[str, Any]:
    text = message["content"]
    parts = [{"type": "text", "text": text}] if text or "tool_calls" not in message else []
    return {**message, "content": parts}
