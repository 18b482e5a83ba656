"""Reads a document in a process with limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aquilon.extraction.document import Document
from aquilon.extraction.limits import Limits


async def extract(
    path: Path, *, name: str, limits: Limits | None = None, on_progress: Callable[[float], None] | None = None
) -> Document:
    """The document's text in blocks.

    ``name`` is the name that its owner gave it: it tells Markdown and tables of values from
    other text, never more. ``on_progress`` gets the share that is read, from 0 to 1.
    Raises Unreadable, and OSError if the file can't be opened.
    """
    raise NotImplementedError
