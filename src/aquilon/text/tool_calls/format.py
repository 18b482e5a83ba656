"""What a format of tool calls has to say: which tokens mark it, the grammar of a call, and how one is read."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from aquilon.text.grammar import COMPACT, json_value, literal
from aquilon.text.messages import Tool
from aquilon.text.tool_calls.pieces import Piece

MAX_CALLS = 8
"""In one answer that is held to a grammar; small models would go on calling."""


class CallReader(ABC):
    """Reads what follows an opening marker; one a call, or a list of calls."""

    finished = False
    """Nothing more belongs to the calls; what follows is text again."""

    @abstractmethod
    def feed(self, text: str) -> tuple[list[Piece], str]:
        """What this text adds, and its end that can't be decided yet or that is no part of the calls."""

    def finish(self, left: str) -> list[Piece]:
        """The answer ends here, with ``left`` undecided."""
        return []


class ToolFormat(ABC):
    """One way to write calls. ``controls`` are the ids of those of its markers that are control tokens."""

    opening: str
    """What begins calls in mid-text."""
    markers: tuple[str, ...]
    """Its words that may be control tokens, which have no text of their own."""
    renders_tools = True
    """Whether the model's chat template shows it the tools."""

    def __init__(self, controls: Mapping[str, int]) -> None:
        self.controls = dict(controls)

    @abstractmethod
    def reader(self, names: frozenset[str]) -> CallReader:
        """For what follows ``opening``; ``names`` are the functions that may be called."""

    @abstractmethod
    def calls(self, *, parallel: bool) -> str:
        """The rule ``calls``, with ``call_0`` and so on for what each tool's call looks like, see ``rules``."""

    @abstractmethod
    def call(self, tool: Tool, arguments: str) -> str:
        """The right side of one tool's rule."""

    @abstractmethod
    def after_opening(self, *, parallel: bool) -> str:
        """What follows the opening marker in mid-text: ``call`` is one of the calls."""

    def rules(self, tools: Sequence[Tool], *, parallel: bool, lenient: bool) -> str:
        """``calls``, ``call`` and all they need, in llguidance's notation."""
        lines = [
            f"calls: {self.calls(parallel=parallel)}",
            f"call: {' | '.join(f'call_{n}' for n in range(len(tools)))}",
        ]
        for number, tool in enumerate(tools):
            lines.append(f"call_{number}: {self.call(tool, f'arguments_{number}')}")
            lines.append(f"arguments_{number}: {json_value(arguments_schema(tool), writing=COMPACT, lenient=lenient)}")
        return "\n".join(lines)

    def marker(self, text: str) -> str:
        """A marker as rules write it: a control token by its id."""
        token_id = self.controls.get(text)
        return literal(text) if token_id is None else f"<[{token_id}]>"

    def lead(self, *, parallel: bool) -> str:
        """Rules for ``talk``: free text, and calls in it once the model has written ``opening``."""
        if self.opening in self.controls:
            begin = f"begin: TEXT {self.marker(self.opening)}"
        else:
            begin = f"begin[lazy]: TEXT {literal(self.opening)}"
        talk = f"begun{{0,{MAX_CALLS}}} TEXT" if parallel else "TEXT | begun"
        return "\n".join(
            (
                f"talk: {talk}",
                f"begun: begin {self.after_opening(parallel=parallel)}",
                begin,
                r"TEXT: /(.|\n)*/",
            )
        )


def arguments_schema(tool: Tool) -> dict[str, object]:
    """What a call's arguments must match: an object always."""
    schema = dict(tool.parameters)
    if "type" not in schema and "$ref" not in schema and not any(key in schema for key in ("anyOf", "oneOf", "allOf")):
        schema["type"] = "object"
    if schema.get("type") == "object" and not any(key in schema for key in ("properties", "additionalProperties")):
        schema["properties"] = {}
    return schema


def quoted(text: str) -> str:
    """A JSON string, as rules write it."""
    return json.dumps(text, ensure_ascii=False)
