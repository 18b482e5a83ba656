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
    if item_id is None:
        on_first = scope.select(StoredItem).where(StoredItem.conversation_id == conversation.id, StoredItem.branch == 0)
        lowest = on_first.with_only_columns(func.max(StoredItem.depth)).scalar_subquery()
        deepest, branches = (await session.execute(select(lowest, number_of_branches))).one()
        branch, depth, free = 0, -1, deepest is None
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
        answering = scope.select(StoredRun).where(StoredRun.leaf_id == item_id, StoredRun.status.in_(OPEN_RUNS))
        parent = scope.select(StoredItem).where(StoredItem.id == item_id, StoredItem.conversation_id == conversation.id)
        columns = (StoredItem.branch, StoredItem.depth, lowest, forks, answering.exists(), number_of_branches)
        row = (await session.execute(parent.with_only_columns(*columns))).first()
        if row is None:
            return None
        branch, depth, deepest, forked_at, is_answered, branches = row
        free = max(deepest, -1 if forked_at is None else forked_at) <= depth and not is_answered
    return Place(
        conversation_id=conversation.id,
        edition=conversation.edition,
        parent_id=item_id,
        branch=branch,
        depth=depth,
        free=free,
        branches=branches,
    )


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


def _on(scope: Scope, conversation_id: str, part: Segment) -> Select[StoredItem]:
    return scope.select(StoredItem).where(
        StoredItem.conversation_id == conversation_id,
        StoredItem.branch == part.branch,
        StoredItem.depth > part.above,
        StoredItem.depth <= part.depth,
    )
