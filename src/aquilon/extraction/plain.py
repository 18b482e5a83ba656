"""Plain text: its encoding, and its paragraphs."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from aquilon.extraction.document import Unreadable
from aquilon.extraction.reading import Reading

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
"""Bytes that Windows-1252 leaves undefined."""
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MOST_CONTROLS = 0.01
_PARAGRAPH_ENDS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def decoded(data: bytes, reading: Reading, *, declared: str | None = None) -> str:
    """The bytes as text. Raises Unreadable for what is no text.

    By the byte-order mark; else by what the document declares; else as UTF-8 if it is valid
    UTF-8, which other text hardly ever is; else as Windows-1252, or Latin-1 where a byte has
    no meaning in Windows-1252: a guess, which a note says.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if declared is not None and (codec := _codec(declared)) is not None:
        return data.decode(codec, errors="replace")
    if (wide := _unmarked_utf16(data)) is not None:
        reading.note("encoding_guessed")
        return data.decode(wide, errors="replace")
    if len(_CONTROLS.findall(data, 0, 1 << 20)) > _MOST_CONTROLS * min(len(data), 1 << 20) or data.count(b"\0") > 8:
        raise Unreadable("unsupported", "This file is no text: many of its bytes are control characters")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if len(data) - error.start < 4 and error.reason == "unexpected end of data":  # cut off in mid-character
            return data[: error.start].decode()
    reading.note("encoding_guessed")
    return data.decode("latin-1" if _NOT_WINDOWS.search(data) else "windows-1252")


def _codec(name: str) -> str | None:
    """The text encoding of this name, None if there is none; Latin-1 is read as Windows-1252, as browsers do."""
    try:
        codec = codecs.lookup(name.strip())
    except (LookupError, ValueError):
        return None
    if not getattr(codec, "_is_text_encoding", True) or codec.name in {"idna", "punycode", "unicode_escape", "utf-7"}:
        return None
    if codec.name in {"raw_unicode_escape", "undefined", "mbcs", "oem"}:
        return None
    return "windows-1252" if codec.name in {"iso8859-1", "ascii"} else codec.name


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 of mostly Western text has a zero in every other byte."""
    head = data[: 1 << 16]
    pairs = len(head) // 2
    if pairs < 2:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 0.7 * pairs and even < 0.05 * pairs:
        return "utf-16-le"
    if even > 0.7 * pairs and odd < 0.05 * pairs:
        return "utf-16-be"
    return None


def read_plain(path: Path, reading: Reading) -> None:
    """Paragraphs are separated by blank lines; their own line ends stay, since they may be a poem's or a log's."""
    add_paragraphs(decoded(path.read_bytes(), reading), reading)


def add_paragraphs(text: str, reading: Reading) -> None:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    start = 0
    for end in _PARAGRAPH_ENDS.finditer(text):
        reading.paragraph(text[start : end.start()])
        reading.progress(end.end(), len(text))
        start = end.end()
    reading.paragraph(text[start:])
