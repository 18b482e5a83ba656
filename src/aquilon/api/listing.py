"""Lists in the shape of OpenAI's administration API: the page after an id, and whether more rows follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec
from starlette.responses import Response

from aquilon.api.json_answer import json_answer
from aquilon.errors import invalid, refused

MOST = 100

Item = TypeVar("Item")
Row = TypeVar("Row")


class ListOf(msgspec.Struct, Generic[Item], frozen=True, kw_only=True):
    object: str = "list"
    data: Sequence[Item]


class PageOf(ListOf[Item], Generic[Item], frozen=True, kw_only=True):
    first_id: str | None
    last_id: str | None
    has_more: bool


def page(rows: Sequence[Any], after: str | None, limit: int) -> Response:
    """The rows after the row with the id ``after``; the first rows if that row is gone. Raises ApiError 400."""
    rows, has_more = sliced(rows, after, bounded(limit))
    return json_answer(listed(rows, has_more=has_more))


def sliced(rows: Sequence[Any], after: str | None, limit: int) -> tuple[Sequence[Any], bool]:
    """The ``limit`` rows after the row with the id ``after``, and whether more follow; the first if it is gone."""
    begin = next((number + 1 for number, row in enumerate(rows) if row.id == after), 0) if after else 0
    return rows[begin : begin + limit], len(rows) > begin + limit


def cut(rows: Sequence[Row], limit: int, body: Callable[[Row], Any]) -> Response:
    """The bodies of the first ``limit`` rows, where one more was read if there is one, and so whether more follow."""
    return json_answer(listed([body(row) for row in rows[:limit]], has_more=len(rows) > limit))


def listed(rows: Sequence[Any], *, has_more: bool) -> PageOf[Any]:
    first, last = (rows[0].id, rows[-1].id) if rows else (None, None)
    return PageOf(data=rows, first_id=first, last_id=last, has_more=has_more)


def bounded(limit: int, *, least: int = 1) -> int:
    """The limit itself. ``least``: 0 on OpenAI's paths. Raises ApiError 400 unless it is up to `MOST`."""
    if not least <= limit <= MOST:
        raise invalid(
            f"limit is {limit}; it must be {least} to {MOST}",
            param="limit",
            code="out_of_range",
            values={"value": limit, "least": least, "most": MOST},
        )
    return limit


@contextmanager
def in_words(param: str | None = "name") -> Iterator[None]:
    """Turns a ValueError about a field, or about none in particular, into ApiError 400."""
    try:
        yield
    except ValueError as error:
        raise refused(error, param=param) from None
