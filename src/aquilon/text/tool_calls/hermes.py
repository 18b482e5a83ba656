"""``<tool_call>\\n{"name": ..., "arguments": {...}}\\n</tool_call>``: Hermes, Qwen 2.5 and 3, and our own preamble."""

from __future__ import annotations

from aquilon.text.grammar import literal
from aquilon.text.messages import Tool
from aquilon.text.tool_calls.format import MAX_CALLS, CallReader, ToolFormat, quoted
from aquilon.text.tool_calls.pieces import Piece, Said
from aquilon.text.tool_calls.scanner import ObjectScanner

OPENING = "<tool_call>"
CLOSING = "</tool_call>"


class HermesFormat(ToolFormat):
    opening = OPENING
    markers = (OPENING, CLOSING)

    def reader(self, names: frozenset[str]) -> CallReader:
        return _HermesReader()

    def calls(self, *, parallel: bool) -> str:
        one = f"{self.marker(OPENING)} {self.after_opening(parallel=parallel)}"
        return f'{one} ("\\n" {one}){{0,{MAX_CALLS - 1}}}' if parallel else one

    def call(self, tool: Tool, arguments: str) -> str:
        before = literal('{"name": ' + quoted(tool.name) + ', "arguments": ')
        return f'{before} {arguments} "}}"'

    def after_opening(self, *, parallel: bool) -> str:
        return f'"\\n" call "\\n" {self.marker(CLOSING)}'


class _HermesReader(CallReader):
    """Reads an object and skips the text up to the closing marker."""

    def __init__(self) -> None:
        self._object = ObjectScanner()
        self._seen = ""

    def feed(self, text: str) -> tuple[list[Piece], str]:
        pieces: list[Piece] = []
        if not self._object.done and not self._object.failed:
            used = self._object.feed(text)
            if not self._object.started:
                self._seen += text[:used]
            text = text[used:]
            pieces += self._object.take()
        if self._object.failed and not self._object.started:
            self.finished = True
            return [*pieces, Said(OPENING + self._seen)], text
        if self._object.done or self._object.failed:
            end = text.find(CLOSING)
            if end >= 0:
                self.finished = True
                return pieces, text[end + len(CLOSING) :]
            return pieces, text[max(0, len(text) - len(CLOSING) + 1) :]
        return pieces, text

    def finish(self, left: str) -> list[Piece]:
        return [] if self._object.started else [Said(OPENING + self._seen + left)]
