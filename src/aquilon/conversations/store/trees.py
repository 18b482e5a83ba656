"""Queries over a whole conversation with all of its branches, its contents in pieces of bounded size."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.tables import ConversationBranch, StoredItem
from aquilon.people.scope import Scope

_MOST_PIECE_BYTES = 4 * 2**20
_MOST_PIECE_ITEMS = 200


class PlacedItem(NamedTuple):
    """An item without its content."""

    id: str
    branch: int
    depth: int
    run_id: str | None
    output: bool
    size: int
    """Of its content, in characters."""


class Skeleton(NamedTuple):
    items: Sequence[PlacedItem]
    """Each below the item that is its parent, branch by branch."""
    parents: dict[str, str | None]


async def skeleton(session: AsyncSession, scope: Scope, conversation_id: str) -> Skeleton:
    """The tree of a conversation that the caller may see."""
    columns = (
        StoredItem.id,
        StoredItem.branch,
        StoredItem.depth,
        StoredItem.run_id,
        StoredItem.output,
        func.length(StoredItem.content),
    )
    items = scope.select(StoredItem).where(StoredItem.conversation_id == conversation_id)
    rows = await session.execute(items.with_only_columns(*columns).order_by(StoredItem.branch, StoredItem.depth))
    placed = [PlacedItem(*row) for row in rows]
    branches = scope.select(ConversationBranch).where(ConversationBranch.conversation_id == conversation_id)
    forks = {
        number: (parent, forked_at)
        for number, parent, forked_at in await session.execute(
            branches.with_only_columns(
                ConversationBranch.number, ConversationBranch.parent, ConversationBranch.forked_at
            )
        )
    }
    return Skeleton(placed, parents_by_place(placed, forks))


def parents_by_place(items: Sequence[PlacedItem], forks: dict[int, tuple[int | None, int]]) -> dict[str, str | None]:
    """By id, the item above each item, which is in the same order as `Skeleton.items`.

    It follows from the places: ``parent_id`` may name an item that was deleted while another one was added.
    ``forks``: by branch, the one that it leaves, and the depth of the last item that they share.
    """
    depths: dict[int, list[int]] = {}
    ids: dict[int, list[str]] = {}
    parents: dict[str, str | None] = {}
    for item in items:
        on_branch = ids.setdefault(item.branch, [])
        if on_branch:
            parents[item.id] = on_branch[-1]
        else:
            parents[item.id] = None
            branch, lowest = forks.get(item.branch, (None, -1))
            while branch is not None:
                above = bisect_right(depths.get(branch, []), lowest)
                if above:
                    parents[item.id] = ids[branch][above - 1]
                    break
                branch, forked_at = forks.get(branch, (None, -1))
                lowest = min(lowest, forked_at)
        on_branch.append(item.id)
        depths.setdefault(item.branch, []).append(item.depth)
    return parents


def pieces(items: Sequence[PlacedItem]) -> Iterator[Sequence[PlacedItem]]:
    """The items in their order, as many together as have a bounded size, or one."""
    begin, size = 0, 0
    for number, item in enumerate(items):
        size += item.size
        if number > begin and (size > _MOST_PIECE_BYTES or number - begin >= _MOST_PIECE_ITEMS):
            yield items[begin:number]
            begin, size = number, item.size
    if begin < len(items):
        yield items[begin:]


async def contents(
    session: AsyncSession, scope: Scope, conversation_id: str, items: Sequence[PlacedItem]
) -> dict[str, StoredItem]:
    """By id, those of these items that are still there."""
    query = scope.select(StoredItem).where(
        StoredItem.conversation_id == conversation_id, StoredItem.id.in_([item.id for item in items])
    )
    return {row.id: row for row in await session.scalars(query)}
