"""A page of a list that may begin below one of its entries, and end above another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, SQLColumnExpression
from sqlalchemy.ext.asyncio import AsyncSession


async def page_between(
    session: AsyncSession,
    query: Select[Any],
    columns: Sequence[SQLColumnExpression[Any]],
    place: SQLColumnExpression[Any],
    *,
    after: Any,
    before: Any,
    oldest_first: bool,
    offset: int,
    limit: int,
) -> tuple[Sequence[Any], bool]:
    """The rows in the order of ``columns``, and whether there are more.

    They begin below ``after``. With ``before`` alone they end above that one, and with both they lie between them.
    Both are compared with ``place``; None for neither.
    """
    if after is not None:
        query = query.where(place > after if oldest_first else place < after)
    if before is not None:
        query = query.where(place < before if oldest_first else place > before)
    from_below = before is not None and after is None
    ascending = oldest_first != from_below
    query = query.order_by(*(column.asc() if ascending else column.desc() for column in columns))
    rows = (await session.execute(query.offset(offset).limit(limit + 1))).all()
    shown = rows[:limit]
    return shown[::-1] if from_below else shown, len(rows) > limit
