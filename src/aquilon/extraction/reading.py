"""A document while it is read: a format's reader adds what it meets, within the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from aquilon.extraction.cleaning import one_line, trimmed
from aquilon.extraction.document import Block, Document, Kind, Note
from aquilon.extraction.limits import Limits

_MOST_TITLE_CHARACTERS = 300
_TABLE_PART_ROWS = 50
_TABLE_PART_CHARACTERS = 6_000
_MOST_COLUMNS = 1_000


class Full(Exception):
    """The text's limit is reached: the document goes on, its reader stops."""


class Reading:
    """Collects blocks in reading order."""

    def __init__(self, limits: Limits, on_progress: Callable[[float], None]) -> None:
        self.limits = limits
        self.page: int | None = None
        """The page, slide or sheet of what is added next."""
        self.pages: int | None = None
        self.title: str | None = None
        self._on_progress = on_progress
        self._blocks: list[Block] = []
        self._items: list[str] = []
        self._notes: set[Note] = set()
        self._bytes_left = limits.text_bytes
        self._rows_left = limits.rows

    def progress(self, done: float, total: float) -> None:
        self._on_progress(min(1.0, done / total) if total else 1.0)

    def note(self, note: Note) -> None:
        self._notes.add(note)

    def paragraph(self, text: str) -> None:
        self._add(trimmed(text), "paragraph")

    def heading(self, text: str, level: int) -> None:
        self._add(one_line(text), "heading", level=max(1, min(level, 9)))

    def code(self, text: str) -> None:
        self._add(trimmed(text), "code")

    def verbatim(self, text: str, kind: Kind) -> None:
        """A block in the notation of Markdown already."""
        self._add(trimmed(text), kind)

    def item(self, text: str, *, depth: int = 0, mark: str = "-") -> None:
        """An item of a list; items that follow each other become one block."""
        if text := trimmed(text).strip():
            margin = "  " * min(depth, 20)
            self._items.append(margin + f"{mark} " + text.replace("\n", f"\n{margin}  "))

    def end_list(self) -> None:
        items, self._items = self._items, []
        if items:
            self._add("\n".join(items), "list")

    def table(self, rows: Iterable[Sequence[str]], *, caption: str | None = None) -> None:
        """Add a table as Markdown, a long one in parts, each with the first row as its head.

        So a passage of a long table still says what its columns are.
        """
        if caption:
            self.paragraph(caption)
        head: str | None = None
        part: list[str] = []
        size = 0
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if self._rows_left <= 0:
                self._add_part(head, part)
                raise Full
            self._rows_left -= 1
            if len(row) > _MOST_COLUMNS:
                self.note("truncated")
            line = _line(row)
            if head is None:
                head = f"{line}\n|{' --- |' * min(len(row), _MOST_COLUMNS)}"
                continue
            if part and (len(part) >= _TABLE_PART_ROWS or size + len(line) > _TABLE_PART_CHARACTERS):
                self._add_part(head, part)
                part, size = [], 0
            part.append(line)
            size += len(line)
        self._add_part(head, part)

    def _add_part(self, head: str | None, rows: list[str]) -> None:
        if head is not None:
            self._add("\n".join([head, *rows]), "table")

    def _add(self, text: str, kind: Kind, *, level: int | None = None) -> None:
        if self._items:
            self.end_list()
        if not text.strip():
            return
        size = len(text.encode()) + 2
        if len(self._blocks) >= self.limits.blocks:
            raise Full
        if size > self._bytes_left:
            text = text.encode()[: max(0, self._bytes_left - 2)].decode(errors="ignore").rstrip()
            if text:
                self._blocks.append(Block(text, kind, level, self.page))
            self._bytes_left = 0
            raise Full
        self._bytes_left -= size
        self._blocks.append(Block(text, kind, level, self.page))

    def document(self, media_type: str) -> Document:
        """What was read; call it once, at the end."""
        notes: list[Note] = sorted(self._notes)
        title = one_line(self.title or "")[:_MOST_TITLE_CHARACTERS].strip() or self._first_heading()
        return Document(media_type, title, self.pages, self._blocks, notes)

    def has_text(self) -> bool:
        return bool(self._blocks or self._items)

    def _first_heading(self) -> str | None:
        first = islice((block for block in self._blocks if block.kind == "heading"), 1)
        return next((block.text[:_MOST_TITLE_CHARACTERS] for block in first if block.level == 1), None)


def _line(row: Sequence[str]) -> str:
    cells = (one_line(cell).replace("|", "\\|") for cell in row[:_MOST_COLUMNS])
    return "| " + " | ".join(cells) + " |"
