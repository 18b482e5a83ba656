"""``{"name": ..., "parameters": {...}}`` as the whole answer: Llama 3.1 and 3.2."""

from __future__ import annotations

from aquilon.text.grammar import literal
from aquilon.text.messages import Tool
from aquilon.text.tool_calls.format import CallReader, ToolFormat, quoted
from aquilon.text.tool_calls.pieces import Piece, Said
from aquilon.text.tool_calls.scanner import ObjectScanner

PYTHON_TAG = "<|python_tag|>"
_BETWEEN = " \t\r\n;"


class LlamaFormat(ToolFormat):
    """One call as the whole answer, without a marker: these models write calls in no other way."""

    opening = ""
    markers = (PYTHON_TAG,)

    def reader(self, names: frozenset[str]) -> CallReader:
        return _LlamaReader(names)

    def calls(self, *, parallel: bool) -> str:
        return "call"

    def call(self, tool: Tool, arguments: str) -> str:
        before = literal('{"name": ' + quoted(tool.name) + ', "parameters": ')
        return f'{before} {arguments} "}}"'

    def after_opening(self, *, parallel: bool) -> str:
        return "call"


class _LlamaReader(CallReader):
    """Reads calls separated by ``;``, as larger models write them; an answer may also have no call."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._object: ObjectScanner | None = None
        self._seen = ""

    def feed(self, text: str) -> tuple[list[Piece], str]:
        pieces: list[Piece] = []
        while text and not self.finished:
            if self._object is None:
                rest = text.lstrip(_BETWEEN)
                tagged = rest.removeprefix(PYTHON_TAG)
                if not tagged or (len(rest) < len(PYTHON_TAG) and PYTHON_TAG.startswith(rest)):
                    return pieces, text
                rest = tagged
                if not rest.startswith("{"):
                    self.finished = True
                    return pieces, text
                self._seen = text[: len(text) - len(rest)]
                self._object, text = ObjectScanner(self._names), rest
            used = self._object.feed(text)
            if not self._object.started:
                self._seen += text[:used]
            text = text[used:]
            pieces += self._object.take()
            if self._object.failed:
                self.finished = True
                if not self._object.started:
                    pieces.append(Said(self._seen))
            elif self._object.done:
                self._object = None
        return pieces, text

    def finish(self, left: str) -> list[Piece]:
        if self._object is None:
            return [Said(left)] if left.strip(_BETWEEN) else []
        return [] if self._object.started else [Said(self._seen + left)]
