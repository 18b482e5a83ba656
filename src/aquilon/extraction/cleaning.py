"""Text without what no reader sees: control characters, soft hyphens, byte-order marks."""

from __future__ import annotations

import re

_LINE_ENDS = re.compile("\r\n?|[\f\v\x1c-\x1e\x85\u2028\u2029]")
_UNSEEN = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f\u00ad\ufeff\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPACES = re.compile("[ \t\n\u00a0]+")


def clean(text: str) -> str:
    """Lines end with ``\\n``; combining marks, joiners and marks of direction stay as they are."""
    return _SURROGATES.sub("\ufffd", _UNSEEN.sub("", _LINE_ENDS.sub("\n", text)))


def one_line(text: str) -> str:
    """On one line with single spaces, as a title or a table's cell is."""
    return _SPACES.sub(" ", clean(text)).strip(" ")


def trimmed(text: str) -> str:
    """Without blank lines around it, blanks at the ends of lines, and more than one blank line in between."""
    lines = [line.rstrip() for line in clean(text).split("\n")]
    kept = (line for line, before in zip(lines, ["", *lines], strict=False) if line or before)
    return "\n".join(kept).rstrip("\n")
