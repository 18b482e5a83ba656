"""Checks files of conversations and of preference pairs before anything is trained on them. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

MOST_LINE_BYTES = 16 * 2**20
_MOST_PROBLEMS = 20
_ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(frozen=True)
class Problem:
    line: int
    """From 1; 0 for the file as a whole."""
    message: str


@dataclass(kw_only=True)
class Problems:
    """What is wrong with a file, its first problems, and how many examples it has."""

    examples: int = 0
    found: list[Problem] = field(default_factory=list)


def validate_conversations(path: Path, *, preferences: bool = False) -> Problems:
    """Check lines of ``{"messages": […]}`` or, with ``preferences``, of pairs in OpenAI's or TRL's form."""
    problems = Problems()
    for number, line in lines_of(path):
        try:
            _check(line, preferences=preferences)
            problems.examples += 1
        except ValueError as error:
            problems.found.append(Problem(number, str(error)))
            if len(problems.found) >= _MOST_PROBLEMS:
                return problems
    if not problems.examples and not problems.found:
        problems.found.append(Problem(0, "the file is empty: each line is one example"))
    return problems


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbers and bytes of the lines that aren't blank; one that is too long comes cut."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MOST_LINE_BYTES + 1):
            number += 1
            if len(line) > MOST_LINE_BYTES:
                yield number, line
                return
            if line.strip():
                yield number, line


def _check(line: bytes, *, preferences: bool) -> None:
    if len(line) > MOST_LINE_BYTES:
        raise ValueError(f"the line has more than {MOST_LINE_BYTES} bytes")
    try:
        example = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(example, dict):
        raise ValueError("it is no JSON object")
    if preferences:
        _check_pair(example)
        return
    messages = example.get("messages")
    _check_messages(messages, "messages")
    assert isinstance(messages, list)
    if all(message.get("role") != "assistant" for message in messages):
        raise ValueError("messages have no answer: at least one needs the role 'assistant'")


def _check_pair(example: dict[str, Any]) -> None:
    if "input" in example:
        question = example["input"]
        _check_messages(question.get("messages") if isinstance(question, dict) else None, "input.messages")
        names = ("preferred_output", "non_preferred_output")
    else:
        _check_messages(example.get("prompt"), "prompt")
        names = ("chosen", "rejected")
    for name in names:
        _check_messages(example.get(name), name)


def _check_messages(messages: object, name: str) -> None:
    if not isinstance(messages, list) or not messages:
        raise ValueError(f"it needs '{name}', a list of messages")
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            raise ValueError(f"{name}[{place}] is no object")
        role = message.get("role")
        if role not in _ROLES:
            raise ValueError(f"{name}[{place}].role is {str(role)[:40]!r}: it must be one of {', '.join(_ROLES)}")
        if not isinstance(message.get("content"), (str, list)) and not message.get("tool_calls"):
            raise ValueError(f"{name}[{place}] has no content")
