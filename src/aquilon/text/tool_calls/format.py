"""The interface of a format of tool calls: its markers, the grammar of a call, and a reader."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from aquilon.text.grammar import COMPACT, json_value, literal
from aquilon.text.messages import Tool
from aquilon.text.tool_calls.pieces import Piece

MAX_CALLS = 8
"""The most calls in one answer that follows a grammar: small models would not stop calling."""


class CallReader(ABC):
    """Reads the text after an opening marker: one call, or a list of calls."""

    finished = False
    """Whether the calls have ended: text after them is text for the person again."""

    @abstractmethod
    def feed(self, text: str) -> tuple[list[Piece], str]:
        """The pieces that this text adds, and its end that is undecided or doesn't belong to the calls."""

    def finish(self, left: str) -> list[Piece]:
        """The last pieces of an answer that ends with ``left`` undecided."""
        return []


class ToolFormat(ABC):
    """A format of tool calls. ``controls`` are the ids of control tokens, by their text."""

    opening: str
    """The marker that begins calls within text."""
    markers: tuple[str, ...]
    """Its markers that may be control tokens, which have no text."""
    renders_tools = True
    """Whether the model's chat template writes the tools into the prompt."""

    def __init__(self, controls: Mapping[str, int]) -> None:
        self.controls = dict(controls)

    @abstractmethod
    def reader(self, names: frozenset[str]) -> CallReader:
        """A reader for the text after ``opening``; ``names`` are the functions that may be called."""

    @abstractmethod
    def calls(self, *, parallel: bool) -> str:
        """The right side of the rule ``calls``, which uses ``call``, see ``rules``."""

    @abstractmethod
    def call(self, tool: Tool, arguments: str) -> str:
        """The right side of the rule for one tool's call."""

    @abstractmethod
    def after_opening(self, *, parallel: bool) -> str:
        """The right side of a rule for the text after the opening marker; ``call`` is the rule of one call."""

    def rules(self, tools: Sequence[Tool], *, parallel: bool, lenient: bool) -> str:
        """The rules ``calls``, ``call`` and those they use, in llguidance's notation."""
        lines = [
            f"calls: {self.calls(parallel=parallel)}",
            f"call: {' | '.join(f'call_{n}' for n in range(len(tools)))}",
        ]
        for number, tool in enumerate(tools):
            lines.append(f"call_{number}: {self.call(tool, f'arguments_{number}')}")
            lines.append(f"arguments_{number}: {json_value(arguments_schema(tool), writing=COMPACT, lenient=lenient)}")
        return "\n".join(lines)

    def marker(self, text: str) -> str:
        """A marker in a rule: a control token by its id, else a literal."""
        token_id = self.controls.get(text)
        return literal(text) if token_id is None else f"<[{token_id}]>"

    def lead(self, *, parallel: bool) -> str:
        """The rule ``talk`` and those it uses: free text, with calls after each ``opening`` that the model writes."""
        if self.opening in self.controls:
            begin = f"begin: TEXT {self.marker(self.opening)}"
        else:
            begin = f"begin[lazy]: TEXT {literal(self.opening)}"
        talk = f"opened{{0,{MAX_CALLS}}} TEXT" if parallel else "TEXT | opened"
        return "\n".join(
            (
                f"talk: {talk}",
                f"opened: begin {self.after_opening(parallel=parallel)}",
                begin,
                r"TEXT: /(.|\n)*/",
            )
        )


def arguments_schema(tool: Tool) -> dict[str, object]:
    """The schema of a call's arguments, which are always an object."""
    schema = dict(tool.parameters)
    if "type" not in schema and "$ref" not in schema and not any(key in schema for key in ("anyOf", "oneOf", "allOf")):
        schema["type"] = "object"
    if schema.get("type") == "object" and not any(key in schema for key in ("properties", "additionalProperties")):
        schema["properties"] = {}
    return schema


def quoted(text: str) -> str:
    """The JSON string of a text."""
    return json.dumps(text, ensure_ascii=False)
