"""Lists as OpenAI's administration API has them: a page after an id, and whether there is more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response

from aquilon.api.json_answer import json_answer
from aquilon.errors import invalid

MOST = 100

L = TypeVar("L", bound=msgspec.Struct)


def page(kind: type[L], rows: Sequence[Any], after: str | None, limit: int) -> Response:
    """The rows after the one with the id ``after``; all of them, should it be gone. Raises ApiError 400."""
    limit = bounded(limit)
    begin = next((number + 1 for number, row in enumerate(rows) if row.id == after), 0) if after else 0
    return json_answer(listed(kind, rows[begin : begin + limit], has_more=len(rows) > begin + limit))


def listed(kind: type[L], rows: Sequence[Any], *, has_more: bool) -> L:
    first, last = (rows[0].id, rows[-1].id) if rows else (None, None)
    return kind(data=rows, first_id=first, last_id=last, has_more=has_more)


def bounded(limit: int) -> int:
    """Raises ApiError 400."""
    if not 1 <= limit <= MOST:
        raise invalid(f"limit is 1 to {MOST}", param="limit")
    return limit


@contextmanager
def in_words(param: str = "name") -> Iterator[None]:
    """What a name may not be, as a 400."""
    try:
        yield
    except ValueError as error:
        raise invalid(str(error), param=param) from None
