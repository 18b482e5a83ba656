"""Markdown: divided into blocks; their notation stays, since models read and write it."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from aquilon.extraction.cleaning import clean
from aquilon.extraction.document import Kind
from aquilon.extraction.plain import decoded
from aquilon.extraction.reading import Reading

_KINDS: dict[str, Kind] = {
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
}
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)
_EMPHASIS = re.compile(r"(\*\*|__|`)(.+?)\1")


def read_markdown(path: Path, reading: Reading) -> None:
    """Raises Unreadable for what is no text."""
    text = clean(decoded(path.read_bytes(), reading))
    if (front := _FRONT_MATTER.match(text)) is not None:
        if (title := _TITLE.search(front[1])) is not None:
            reading.title = title[1]
        reading.code(front[1])
        text = text[front.end() :]
    parser = MarkdownIt("commonmark").enable("table").disable("inline")
    lines = text.split("\n")
    for token in parser.parse(text):
        if token.level == 0 and token.map is not None and token.nesting >= 0:
            _add(token, lines[token.map[0] : token.map[1]], reading)
            reading.progress(token.map[1], len(lines))


def _add(token: Token, lines: list[str], reading: Reading) -> None:
    if token.type == "hr":
        return
    if token.type == "heading_open":
        text = " ".join(lines[:-1]) if token.markup in ("=", "-") else lines[0].strip().strip("#")
        reading.heading(_EMPHASIS.sub(r"\2", text).strip(), int(token.tag[1:]))
    else:
        reading.verbatim("\n".join(lines), _KINDS.get(token.type, "paragraph"))
