"""Markdown that arrives in pieces: finished blocks are printed once, the last block is redrawn."""

from __future__ import annotations

import re
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

from aquilon.cli.output import printable

_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")


class StreamedMarkdown:
    """A context manager: ``add`` prints pieces, and leaving it prints the rest."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open = ""
        self._has_printed = False
        self._live = Live("", console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> StreamedMarkdown:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update("")
        self._live.stop()
        self._print(self._open)
        self._open = ""

    def add(self, piece: str) -> None:
        self._open += printable(piece)
        finished, self._open = split_finished(self._open)
        if finished:
            self._live.update("")
            self._print(finished)
        self._live.update(_Tail(self._open), refresh=True)

    def _print(self, text: str) -> None:
        if text.strip():
            if self._has_printed:
                self._console.print()
            self._console.print(Markdown(text.strip("\n")), soft_wrap=False)
            self._has_printed = True


def split_finished(text: str) -> tuple[str, str]:
    """Split markdown into the blocks that later text can't change, and the rest.

    A block ends at an empty line outside a fence, once the next line has begun
    and is not indented (which would continue a list item).
    """
    fence = ""
    boundary = 0
    position = 0
    empty = False
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if not fence and empty and line.strip() and not line[0].isspace():
            boundary = position
        if mark and not fence:
            fence = mark[1]
        elif mark and fence and mark[1].startswith(fence) and not line.strip(" \n").strip(fence[0]):
            fence = ""
        empty = not fence and not line.strip()
        position += len(line)
    return text[:boundary], text[boundary:]


class _Tail:
    """The last lines of a block, as many as fit the screen."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(Markdown(self._text.strip("\n")), options.update(height=None), pad=False)
        for line in lines[-max(console.height - 2, 1) :]:
            yield from line
            yield Segment.line()
