"""Queries over the items of a conversation: places below them, and the path from an item up to the first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from aquilon.conversations.tables import ConversationBranch, StoredConversation, StoredItem, StoredRun
from aquilon.people.scope import Scope
from aquilon.storage.rows import Statement

ADD = Statement(insert(StoredItem))
SIZE = func.length(StoredItem.content)
OPEN_RUNS = ("queued", "in_progress")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Below which item of a conversation the next ones are added."""

    conversation_id: str
    edition: int
    parent_id: str | None
    """None for the beginning of the conversation."""
    branch: int
    depth: int
    """Of the parent; -1 if there is none."""
    free: bool
    """Whether nothing is below the parent on its branch; otherwise the next item begins another branch."""
    branches: int
    """How many branches the conversation has."""

    @classmethod
    def in_new(cls, conversation_id: str) -> Place:
        """The first place of a conversation that is only about to be stored."""
        return cls(
            conversation_id=conversation_id, edition=0, parent_id=None, branch=0, depth=-1, free=True, branches=0
        )


async def place_below(
    session: AsyncSession, scope: Scope, conversation: StoredConversation, item_id: str | None
) -> Place | None:
    """The place below an item of the conversation, or at its beginning; None if it has no such item."""
    other: Any = aliased(StoredItem)
    number_of_branches = (
        scope.select(ConversationBranch)
        .with_only_columns(func.count())
        .where(ConversationBranch.conversation_id == conversation.id)
        .scalar_subquery()
    )
    open_runs = scope.select(StoredRun).where(
        StoredRun.conversation_id == conversation.id, StoredRun.status.in_(OPEN_RUNS)
    )
    if item_id is None:
        on_first = scope.select(StoredItem).where(StoredItem.conversation_id == conversation.id, StoredItem.branch == 0)
        lowest = on_first.with_only_columns(func.max(StoredItem.depth)).scalar_subquery()
        from_first = scope.select(ConversationBranch).where(
            ConversationBranch.conversation_id == conversation.id, ConversationBranch.parent == 0
        )
        forks = from_first.with_only_columns(func.max(ConversationBranch.forked_at)).scalar_subquery()
        answering = open_runs.where(StoredRun.leaf_id.is_(None)).exists()
        branch, depth = 0, -1
        row = (await session.execute(select(lowest, forks, answering, number_of_branches))).one()
        deepest, forked_at, is_answered, branches = row
    else:
        lowest = (
            scope.select(other)
            .with_only_columns(func.max(other.depth))
            .where(other.conversation_id == conversation.id, other.branch == StoredItem.branch)
            .scalar_subquery()
        )
        forks = (
            scope.select(ConversationBranch)
            .with_only_columns(func.max(ConversationBranch.forked_at))
            .where(
                ConversationBranch.conversation_id == conversation.id, ConversationBranch.parent == StoredItem.branch
            )
            .scalar_subquery()
        )
        answering = open_runs.where(StoredRun.leaf_id == item_id).exists()
        parent = scope.select(StoredItem).where(StoredItem.id == item_id, StoredItem.conversation_id == conversation.id)
        columns = (StoredItem.branch, StoredItem.depth, lowest, forks, answering, number_of_branches)
        parent_row = (await session.execute(parent.with_only_columns(*columns))).first()
        if parent_row is None:
            return None
        branch, depth, deepest, forked_at, is_answered, branches = parent_row
    taken = [depth_ for depth_ in (deepest, forked_at) if depth_ is not None]
    free = max(taken, default=-1) <= depth and not is_answered
    return Place(
        conversation_id=conversation.id,
        edition=conversation.edition,
        parent_id=item_id,
        branch=branch,
        depth=depth,
        free=free,
        branches=branches,
    )


async def forks(session: AsyncSession, scope: Scope, place: Place, *, most: int) -> Sequence[int]:
    """The first ``most`` branches that leave below the item above a place.

    A run's first choice goes on below its last input item; its other choices have these, since nothing can be below
    that item before the run begins.
    """
    branches = scope.select(ConversationBranch).where(
        ConversationBranch.conversation_id == place.conversation_id,
        ConversationBranch.parent == place.branch,
        ConversationBranch.forked_at == place.depth,
    )
    numbers = branches.with_only_columns(ConversationBranch.number).order_by(ConversationBranch.number)
    return list(await session.scalars(numbers.limit(most)))


@dataclass(frozen=True)
class Segment:
    """The part of a path that lies on one branch: its items below the depth ``above``, down to ``depth``."""

    branch: int
    above: int
    depth: int


def clipped(parts: Sequence[Segment], *, above: int | None = None, below: int | None = None) -> list[Segment]:
    """Of a path, the items above this depth, or those below."""
    pieces = [
        Segment(
            part.branch,
            part.above if below is None else max(part.above, below),
            part.depth if above is None else min(part.depth, above - 1),
        )
        for part in parts
    ]
    return [piece for piece in pieces if piece.depth > piece.above]


@dataclass(frozen=True)
class Branch:
    """A line of items, from its first to its last one."""

    number: int
    parent_id: str | None
    """The item that it begins below; None at the beginning of the conversation."""
    first_id: str
    last_id: str


async def branches(
    session: AsyncSession, scope: Scope, conversation_id: str, *, after: int, limit: int
) -> list[Branch]:
    """The branches with a number above ``after``, in the order in which they began."""
    first: Any = aliased(StoredItem)
    last: Any = aliased(StoredItem)
    ends = (
        scope.select(StoredItem)
        .with_only_columns(
            StoredItem.branch, func.min(StoredItem.depth).label("above"), func.max(StoredItem.depth).label("below")
        )
        .where(StoredItem.conversation_id == conversation_id, StoredItem.branch > after)
        .group_by(StoredItem.branch)
        .order_by(StoredItem.branch)
        .limit(limit)
        .subquery()
    )

    def at(item: Any, depth: Any) -> Any:
        return (item.conversation_id == conversation_id) & (item.branch == ends.c.branch) & (item.depth == depth)

    query = (
        scope.select(first)
        .with_only_columns(ends.c.branch, first.parent_id, first.id, last.id)
        .join(ends, at(first, ends.c.above))
        .join(last, at(last, ends.c.below))
        .order_by(ends.c.branch)
    )
    return [Branch(*row) for row in await session.execute(query)]


async def segments(
    session: AsyncSession, scope: Scope, conversation_id: str, *, branch: int, depth: int
) -> list[Segment]:
    """The parts of the path from the item at this place up to the first item; the lowest first."""
    columns = (ConversationBranch.number, ConversationBranch.parent, ConversationBranch.forked_at)
    of_conversation = scope.select(ConversationBranch).where(ConversationBranch.conversation_id == conversation_id)
    lowest = of_conversation.where(ConversationBranch.number == branch).with_only_columns(*columns)
    chain = lowest.cte("chain", recursive=True)
    above = of_conversation.with_only_columns(*columns).join(chain, ConversationBranch.number == chain.c.parent)
    chain = chain.union_all(above)
    parts = []
    for number, _, forked_at in await session.execute(chain.select().order_by(chain.c.number.desc())):
        if depth > forked_at:
            parts.append(Segment(number, forked_at, depth))
        depth = min(depth, forked_at)
    return parts


async def fitting(
    session: AsyncSession,
    scope: Scope,
    conversation_id: str,
    parts: Sequence[Segment],
    *,
    upwards: bool,
    limit: int,
    most_bytes: int,
) -> tuple[int, bool]:
    """How many items of a path, at most ``limit``, have at most ``most_bytes`` together, or one; and whether more
    would have had too many."""
    number = 0
    for part in parts if upwards else reversed(parts):
        query = _on(scope, conversation_id, part).with_only_columns(SIZE)
        query = query.order_by(StoredItem.depth.desc() if upwards else StoredItem.depth).limit(limit - number)
        for size in await session.scalars(query):
            most_bytes -= size
            if most_bytes < 0 and number:
                return number, True
            number += 1
        if number >= limit:
            break
    return number, False


async def page_up(
    session: AsyncSession, scope: Scope, conversation_id: str, parts: Sequence[Segment], *, limit: int
) -> list[StoredItem]:
    """At most ``limit`` items of a path, from its end upwards."""
    rows: list[StoredItem] = []
    for part in parts:
        query = _on(scope, conversation_id, part).order_by(StoredItem.depth.desc()).limit(limit - len(rows))
        rows += await session.scalars(query)
        if len(rows) >= limit:
            break
    return rows


async def page_down(
    session: AsyncSession, scope: Scope, conversation_id: str, parts: Sequence[Segment], *, limit: int
) -> list[StoredItem]:
    """At most ``limit`` items of a path, from its beginning downwards."""
    rows: list[StoredItem] = []
    for part in reversed(parts):
        query = _on(scope, conversation_id, part).order_by(StoredItem.depth).limit(limit - len(rows))
        rows += await session.scalars(query)
        if len(rows) >= limit:
            break
    return rows


async def first(session: AsyncSession, scope: Scope, conversation_id: str, *, limit: int) -> Sequence[StoredItem]:
    """The items that a conversation began with, in order; of the next branch, where the first has no more."""
    query = scope.select(StoredItem).where(StoredItem.conversation_id == conversation_id)
    return list(await session.scalars(query.order_by(StoredItem.branch, StoredItem.depth).limit(limit)))


async def above(session: AsyncSession, scope: Scope, item: StoredItem) -> str | None:
    """The id of the item above another one. ``parent_id`` may name one that was deleted while the item was added."""
    parts = await segments(session, scope, item.conversation_id, branch=item.branch, depth=item.depth)
    rows = await page_up(session, scope, item.conversation_id, clipped(parts, above=item.depth), limit=1)
    return rows[0].id if rows else None


async def last_below(session: AsyncSession, scope: Scope, item: StoredItem) -> str:
    """The end of the latest path through an item: the id of the last item below it, or its own."""
    columns = (ConversationBranch.number,)
    branches = scope.select(ConversationBranch).where(ConversationBranch.conversation_id == item.conversation_id)
    first = branches.where(ConversationBranch.parent == item.branch, ConversationBranch.forked_at >= item.depth)
    below = first.with_only_columns(*columns).cte("below", recursive=True)
    below = below.union_all(
        branches.with_only_columns(*columns).join(below, ConversationBranch.parent == below.c.number)
    )
    own = scope.select(StoredItem).where(
        StoredItem.conversation_id == item.conversation_id, StoredItem.branch == item.branch
    )
    last_of_own = own.with_only_columns(StoredItem.id, StoredItem.created_at, StoredItem.branch)
    other: Any = aliased(StoredItem)
    deepest = (
        scope.select(other)
        .with_only_columns(func.max(other.depth))
        .where(other.conversation_id == item.conversation_id, other.branch == below.c.number)
        .correlate(below)
        .scalar_subquery()
    )
    last_of_others = (
        scope.select(StoredItem)
        .with_only_columns(StoredItem.id, StoredItem.created_at, StoredItem.branch)
        .join(below, StoredItem.branch == below.c.number)
        .where(StoredItem.conversation_id == item.conversation_id, StoredItem.depth == deepest)
    )
    ends = [
        *await session.execute(last_of_own.order_by(StoredItem.depth.desc()).limit(1)),
        *await session.execute(
            last_of_others.order_by(StoredItem.created_at.desc(), StoredItem.branch.desc()).limit(1)
        ),
    ]
    last: str = max(ends, key=lambda end: (end.created_at, end.branch)).id
    return last


def _on(scope: Scope, conversation_id: str, part: Segment) -> Select[StoredItem]:
    return scope.select(StoredItem).where(
        StoredItem.conversation_id == conversation_id,
        StoredItem.branch == part.branch,
        StoredItem.depth > part.above,
        StoredItem.depth <= part.depth,
    )
