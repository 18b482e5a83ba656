"""How much of a machine, and of a document, one extraction may take."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """What goes beyond ``pages``, ``rows``, ``text_bytes`` or ``blocks`` is left out with a note.

    A document that goes beyond another limit isn't read at all.
    """

    file_bytes: int = 200 * 2**20
    unpacked_bytes: int = 400 * 2**20
    """Of an archive's entries together, as office documents are."""
    entries: int = 20_000
    """Of an archive."""
    pages: int = 5_000
    rows: int = 100_000
    """Of all sheets together, or of a file of comma-separated values."""
    text_bytes: int = 20 * 10**6
    """Of the text, in UTF-8."""
    blocks: int = 200_000
    memory_bytes: int = 2**30
    """Of the process' data, each OCR's apart."""
    cpu_seconds: int = 120
    """Each OCR's apart."""
    wall_seconds: int = 600
