"""Queries over the siblings of items: those that begin other branches below the same item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from aquilon.conversations.store.items import Segment, clipped, page_up
from aquilon.conversations.tables import ConversationBranch, StoredItem
from aquilon.people.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Siblings:
    """The items below the same one, in the order of their branches."""

    number: int
    """Which of them the item itself is, from 1."""
    count: int
    previous_id: str | None
    next_id: str | None


async def siblings(
    session: AsyncSession, scope: Scope, conversation_id: str, parts: Sequence[Segment], rows: Sequence[StoredItem]
) -> dict[str, Siblings]:
    """By id, the siblings of these items, which follow each other on the path of ``parts``; the highest first."""
    if not rows:
        return {}
    above = await page_up(session, scope, conversation_id, clipped(parts, above=rows[0].depth), limit=1)
    tops = [(row.branch, row.depth) for row in (*above, *rows[:-1])]
    places = tops if above else [(0, -1), *tops]
    lowest, highest = places[0][1], rows[-1].depth
    forks = await _forks(
        session, scope, conversation_id, {branch for branch, _ in places}, lowest=lowest, highest=highest
    )
    turns = [place for place, row in zip(places, rows, strict=True) if place[0] != row.branch]
    own = await _next_on_branches(session, scope, conversation_id, turns)
    families: list[tuple[StoredItem, list[tuple[int, int]]]] = []
    for place, row in zip(places, rows, strict=True):
        on_branch = row.depth if row.branch == place[0] else own[place]
        families.append((row, _family(_Fork(*place, on_branch), forks)))
    neighbours = set[tuple[int, int]]()
    for row, family in families:
        at = family.index((row.branch, row.depth))
        neighbours.update(family[max(0, at - 1) : at + 2])
    ids = await _ids_at(session, scope, conversation_id, neighbours)
    answer = {}
    for row, family in families:
        at = family.index((row.branch, row.depth))
        answer[row.id] = Siblings(
            number=at + 1,
            count=len(family),
            previous_id=ids[family[at - 1]] if at > 0 else None,
            next_id=ids[family[at + 1]] if at + 1 < len(family) else None,
        )
    return answer


@dataclass(frozen=True)
class _Fork:
    """A branch, or the part of one below a place."""

    number: int
    forked_at: int
    """The depth above it."""
    first: int | None
    """The depth of its first item; None if it has none, or none any more."""


def _family(below: _Fork, forks: Mapping[int, Sequence[_Fork]]) -> list[tuple[int, int]]:
    """The branch and depth of each item right below a place.

    A branch whose first items were deleted leaves its own forks above its first item.
    """
    family, rest = list[tuple[int, int]](), [below]
    while rest:
        part = rest.pop()
        if part.first is not None:
            family.append((part.number, part.first))
        inner = [
            fork
            for fork in forks.get(part.number, ())
            if part.forked_at <= fork.forked_at and (part.first is None or fork.forked_at < part.first)
        ]
        rest += reversed(inner)
    return family


async def _forks(
    session: AsyncSession, scope: Scope, conversation_id: str, parents: set[int], *, lowest: int, highest: int
) -> dict[int, list[_Fork]]:
    """By branch, those that leave it in this range of depths, and those that leave these above their first items."""
    branch: Any = aliased(ConversationBranch)
    of_conversation = scope.select(branch).where(branch.conversation_id == conversation_id).order_by(branch.number)

    def first_of(number: Any) -> Any:
        query = scope.select(StoredItem).with_only_columns(func.min(StoredItem.depth))
        query = query.where(StoredItem.conversation_id == conversation_id, StoredItem.branch == number)
        return query.scalar_subquery()

    columns = (branch.parent, branch.number, branch.forked_at, first_of(branch.number))
    above_first = first_of(branch.parent)
    forks: dict[int, list[_Fork]] = {}
    in_range = and_(branch.forked_at >= lowest, branch.forked_at <= highest)
    while parents:
        query = of_conversation.where(branch.parent.in_(parents), in_range).with_only_columns(*columns)
        rows = (await session.execute(query)).all()
        for parent, number, forked_at, first in rows:
            forks.setdefault(parent, []).append(_Fork(number, forked_at, first))
        parents = {row.number for row in rows} - forks.keys()
        in_range = or_(above_first.is_(None), branch.forked_at < above_first)
    return forks


async def _next_on_branches(
    session: AsyncSession, scope: Scope, conversation_id: str, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], int | None]:
    """For each branch and depth, the depth of the next item on that branch, if there is one."""
    if not places:
        return {}
    depths = [
        scope.select(StoredItem)
        .with_only_columns(func.min(StoredItem.depth))
        .where(StoredItem.conversation_id == conversation_id, StoredItem.branch == branch, StoredItem.depth > depth)
        .scalar_subquery()
        .label(f"next_{number}")
        for number, (branch, depth) in enumerate(places)
    ]
    row = (await session.execute(select(*depths))).one()
    return dict(zip(places, row, strict=True))


async def _ids_at(
    session: AsyncSession, scope: Scope, conversation_id: str, places: set[tuple[int, int]]
) -> dict[tuple[int, int], str]:
    query = scope.select(StoredItem).where(
        StoredItem.conversation_id == conversation_id, tuple_(StoredItem.branch, StoredItem.depth).in_(places)
    )
    columns = (StoredItem.branch, StoredItem.depth, StoredItem.id)
    return {(branch, depth): id_ for branch, depth, id_ in await session.execute(query.with_only_columns(*columns))}
