"""The model behind Aquilon when clients are tried: an upstream that carries out small tasks by its client's tools.

Of an agent's conversation it reads the last task (`writing` and `replacing` word it), finds among the offered tools
those that clients of this kind have for files, calls one after the other, and says that it is done. Where it is
offered a function for the weather, it asks for that of Paris.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.upstream_server import Connection

NAME = "scripted"
CONTEXT = 200_000
_TASK = re.compile(
    r"(?:Write the line `(?P<line>[^`]+)`|Replace `(?P<old>[^`]+)` by `(?P<new>[^`]+)`) in the file (?P<path>[\w./-]+)"
)


def writing(line: str, path: Path) -> str:
    """The prompt for a new file of one line."""
    return f"Write the line `{line}` in the file {path}"


def replacing(old: str, new: str, path: Path) -> str:
    """The prompt for another line in its place."""
    return f"Replace `{old}` by `{new}` in the file {path}"


@dataclass(frozen=True)
class Task:
    """A task as a prompt words it."""

    path: str
    new: str
    old: str | None
    """None: the file isn't there yet."""

    @property
    def patch(self) -> str:
        """In the format of Codex's ``apply_patch``."""
        body = f"Add File: {self.path}\n" if self.old is None else f"Update File: {self.path}\n@@\n-{self.old}\n"
        return f"*** Begin Patch\n*** {body}+{self.new}\n*** End Patch\n"

    @property
    def command(self) -> str:
        """For a shell."""
        if self.old is None:
            return f"printf '%s\\n' '{self.new}' > {self.path}"
        return f"sed -i 's/{self.old}/{self.new}/' {self.path}"


Call = tuple[str, dict[str, Any]]
"""A tool's name and arguments."""


def _claude_code(task: Task) -> list[Call]:
    if task.old is None:
        return [("Write", {"file_path": task.path, "content": f"{task.new}\n"})]
    edit = {"file_path": task.path, "old_string": task.old, "new_string": task.new}
    return [("Read", {"file_path": task.path}), ("Edit", edit)]


def _open_code(task: Task) -> list[Call]:
    if task.old is None:
        return [("write", {"filePath": task.path, "content": f"{task.new}\n"})]
    edit = {"filePath": task.path, "oldString": task.old, "newString": task.new}
    return [("read", {"filePath": task.path}), ("edit", edit)]


def _vibe(task: Task) -> list[Call]:
    if task.old is None:
        return [("write_file", {"path": task.path, "content": f"{task.new}\n"})]
    edit = {"file_path": task.path, "old_string": task.old, "new_string": task.new}
    return [("read_file", {"path": task.path}), ("edit", edit)]


def _patch(task: Task) -> list[Call]:
    return [("apply_patch", {"input": task.patch})]


def _exec_command(task: Task) -> list[Call]:
    return [("exec_command", {"cmd": task.command})]


def _code_mode(task: Task) -> list[Call]:
    return [("functions__exec", {"input": f"text(await tools.exec_command({json.dumps({'cmd': task.command})}))"})]


FAMILIES: list[Callable[[Task], list[Call]]] = [_claude_code, _open_code, _vibe, _patch, _exec_command, _code_mode]
"""The calls that each client's tools need for a task."""


WEATHER: Call = ("get_weather", {"city": "Paris"})
"""The call of a conversation without a task, where this function is offered."""


async def scripted_model(connection: Connection) -> None:
    """The `Script` of an `upstream_server`."""
    if connection.request.path == "/v1/models":
        model = {"id": NAME, "object": "model", "max_model_len": CONTEXT}
        await connection.answer(200, {"object": "list", "data": [model]})
        return
    request = connection.request.json
    call = next_call(request)
    await connection.begin()
    if call is None:
        await connection.say("Done.")
    else:
        await _call(connection, *call)
    usage = {"prompt_tokens": len(connection.request.body) // 4, "completion_tokens": 30}
    await connection.finish("stop" if call is None else "tool_calls", usage=usage)
    await connection.end()


def next_call(request: dict[str, Any]) -> Call | None:
    """The call that the conversation's last task still needs."""
    task, results = _last_task(request["messages"])
    offered = {tool["function"]["name"] for tool in request.get("tools") or () if tool["type"] == "function"}
    if task is None:
        return WEATHER if WEATHER[0] in offered and not results else None
    for family in FAMILIES:
        steps = family(task)
        if all(name in offered for name, _ in steps):
            return steps[results] if results < len(steps) else None
    return None


def _last_task(messages: list[dict[str, Any]]) -> tuple[Task | None, int]:
    """The task, and how many results of tools came after it."""
    results = 0
    for message in reversed(messages):
        if message["role"] == "tool":
            results += 1
        elif message["role"] == "user":
            found = [match for text in _texts(message["content"]) for match in _TASK.finditer(text)]
            if found:
                fields = found[-1].groupdict()
                return Task(fields["path"], fields["line"] or fields["new"], fields["old"]), results
    return None, results


def _texts(content: str | list[dict[str, Any]]) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    else:
        yield from (part["text"] for part in content if part["type"] == "text")


async def _call(connection: Connection, name: str, arguments: dict[str, Any]) -> None:
    """In three chunks: the name, and the arguments in two halves."""
    text = json.dumps(arguments)
    half = len(text) // 2
    first = {
        "index": 0,
        "id": f"call_{len(connection.request.body)}",
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    await connection.chunk({"choices": [{"index": 0, "delta": {"role": "assistant", "tool_calls": [first]}}]})
    for piece in (text[:half], text[half:]):
        more = {"index": 0, "function": {"arguments": piece}}
        await connection.chunk({"choices": [{"index": 0, "delta": {"tool_calls": [more]}}]})
