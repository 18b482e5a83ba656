"""``[TOOL_CALLS]`` and the calls after it, in the versions of Mistral's format.

Up to version 7 they are a list, ``[{"name": ..., "arguments": {...}}, ...]``; from 11 on
each call is ``name[CALL_ID]id[ARGS]{...}``, from 13 on without the id.
"""

from __future__ import annotations

from collections.abc import Mapping

from aquilon.text.grammar import literal
from aquilon.text.messages import Tool
from aquilon.text.tool_calls.format import MAX_CALLS, CallReader, ToolFormat, quoted
from aquilon.text.tool_calls.pieces import CallBegun, Piece
from aquilon.text.tool_calls.scanner import ObjectScanner, ValueScanner

OPENING = "[TOOL_CALLS]"
CALL_ID = "[CALL_ID]"
ARGUMENTS = "[ARGS]"


class MistralListFormat(ToolFormat):
    """Versions 2 to 7."""

    opening = OPENING
    markers = (OPENING,)

    def reader(self, names: frozenset[str]) -> CallReader:
        return _ListReader()

    def calls(self, *, parallel: bool) -> str:
        return f"{self.marker(OPENING)} {self.after_opening(parallel=parallel)}"

    def call(self, tool: Tool, arguments: str) -> str:
        before = literal('{"name": ' + quoted(tool.name) + ', "arguments": ')
        return f'{before} {arguments} "}}"'

    def after_opening(self, *, parallel: bool) -> str:
        more = f' (", " call){{0,{MAX_CALLS - 1}}}' if parallel else ""
        return f'" "? "[" call{more} "]"'


class MistralNamedFormat(ToolFormat):
    """Versions from 11 on; ``with_ids`` for versions whose calls have an id."""

    opening = OPENING
    markers = (OPENING, CALL_ID, ARGUMENTS)

    def __init__(self, controls: Mapping[str, int], *, with_ids: bool) -> None:
        super().__init__(controls)
        self._with_ids = with_ids

    def reader(self, names: frozenset[str]) -> CallReader:
        return _NamedReader()

    def calls(self, *, parallel: bool) -> str:
        one = f"{self.marker(OPENING)} {self.after_opening(parallel=parallel)}"
        return f"({one}){{1,{MAX_CALLS}}}" if parallel else one

    def call(self, tool: Tool, arguments: str) -> str:
        id_ = f"{self.marker(CALL_ID)} /[a-zA-Z0-9]{{9}}/ " if self._with_ids else ""
        return f"{literal(tool.name)} {id_}{self.marker(ARGUMENTS)} {arguments}"

    def after_opening(self, *, parallel: bool) -> str:
        return "call"


class _ListReader(CallReader):
    def __init__(self) -> None:
        self._open = False
        self._object: ObjectScanner | None = None

    def feed(self, text: str) -> tuple[list[Piece], str]:
        pieces: list[Piece] = []
        while text and not self.finished:
            if self._object is not None:
                text = text[self._object.feed(text) :]
                pieces += self._object.take()
                if self._object.done:
                    self._object = None
                elif self._object.failed:
                    self.finished = True
            elif text[0] == "{":
                self._object = ObjectScanner()
                self._open = True
            elif text[0] == "]":
                self.finished = True
                text = text[1:]
            elif text[0] in "[, \t\r\n":
                self._open = self._open or text[0] == "["
                text = text[1:]
            else:
                self.finished = True
        return pieces, text


class _NamedReader(CallReader):
    def __init__(self) -> None:
        self._head = ""
        self._value: ValueScanner | None = None

    def feed(self, text: str) -> tuple[list[Piece], str]:
        pieces: list[Piece] = []
        if self._value is None:
            self._head += text
            head, marker, text = self._head.partition(ARGUMENTS)
            if not marker:
                return [], ""
            self._value = ValueScanner()
            pieces.append(CallBegun(head.partition(CALL_ID)[0].strip()))
        text = text[self._value.feed(text) :]
        pieces += self._value.take()
        self.finished = self._value.done or self._value.failed
        return pieces, text
