"""How much is in a JSON text, told before it is parsed: a few megabytes can hold millions of empty lists."""

from __future__ import annotations

import re

MOST_VALUES = 500_000
"""Of all kinds in one body: a request may hold many token ids."""
MOST_STRUCTURES = 30_000
"""Of those, objects, lists and fields of objects, which cost far more to read than numbers."""

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'",:[{'))
_RUN = re.compile(rb'"[^"]*"?|[,:[{]+')
"""A text, or what stands between two of them."""


def holds_too_much(data: bytes, *, structures: int = MOST_STRUCTURES, values: int = MOST_VALUES) -> bool:
    """Whether a JSON text has more than so many structures or values. Of what isn't JSON, any answer will do."""
    if len(data) <= structures:
        return False
    structured = _structures(data)
    if structured <= structures and structured + data.count(b",") <= values:
        return False  # though what stands in strings was counted too
    return _holds_too_much_outside_strings(data, structures, values)


def is_small(data: bytes) -> bool:
    """Whether it is read so soon that other requests don't notice."""
    return len(data) <= 8192 or (len(data) <= 2**20 and _structures(data) + data.count(b",") <= 4096)


def _structures(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{") + data.count(b":")


def _holds_too_much_outside_strings(data: bytes, structures: int, values: int) -> bool:
    """In steps of Python's, so that other threads have their turns."""
    outline = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_STRUCTURE)
    if outline.count(b'"') > 2 * (structures + values):  # each text is a value or a field's name
        return True
    structured = commas = 0
    for run in _RUN.finditer(outline):
        found = run[0]
        if not found.startswith(b'"'):
            run_commas = found.count(b",")
            commas += run_commas
            structured += len(found) - run_commas
            if structured > structures or structured + commas > values:
                return True
    return False
