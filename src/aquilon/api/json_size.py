"""How many values a JSON text has, counted before it is parsed: a few megabytes can hold millions of empty lists."""

from __future__ import annotations

import re

MOST_VALUES = 500_000
"""Values of all kinds in one body: a request may have many token ids."""
MOST_STRUCTURES = 30_000
"""Objects, lists and fields of objects in one body; each costs far more to read than a number."""

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'",:[{'))
_RUN = re.compile(rb'"[^"]*"?|[,:[{]+')
"""A string, or the punctuation between two strings."""


def holds_too_much(data: bytes, *, structures: int = MOST_STRUCTURES, values: int = MOST_VALUES) -> bool:
    """Whether a JSON text has more structures or values than these. For invalid JSON the result means nothing."""
    if len(data) <= structures:
        return False
    structured = _structures(data)
    if structured <= structures and structured + data.count(b",") <= values:
        return False  # this count is too high rather than too low: it includes punctuation in strings
    return _holds_too_much_outside_strings(data, structures, values)


def is_small(data: bytes) -> bool:
    """Whether it is parsed so fast that other requests need not wait noticeably."""
    return len(data) <= 8192 or (len(data) <= 2**20 and _structures(data) + data.count(b",") <= 4096)


def _structures(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{") + data.count(b":")


def _holds_too_much_outside_strings(data: bytes, structures: int, values: int) -> bool:
    """A loop in Python, so that other threads get the interpreter between its steps."""
    outline = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_STRUCTURE)
    if outline.count(b'"') > 2 * (structures + values):  # each text is a value or a field's name
        return True
    structured = commas = 0
    for run in _RUN.finditer(outline):
        marks = run[0]
        if not marks.startswith(b'"'):
            run_commas = marks.count(b",")
            commas += run_commas
            structured += len(marks) - run_commas
            if structured > structures or structured + commas > values:
                return True
    return False
