"""Queries over comparisons and votes: which ones a caller may see, and how often each side won."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.tables.comparisons import ComparisonVote, StoredComparison
from aquilon.conversations.retention import DAY
from aquilon.conversations.tables import ConversationPolicy
from aquilon.people.identity import Principal
from aquilon.people.permissions import require, require_feature
from aquilon.people.scope import Everyone, Scope


def visible(principal: Principal) -> Select[StoredComparison]:
    """The comparisons of the caller's workspace that a key began and, for a signed-in person, their own.

    Raises ApiError 403 if the caller may not ask models or the organization has turned exploring off.
    """
    table = StoredComparison
    require(principal, "generate", principal.workspace_role)
    require_feature(principal, "explore")
    shared = and_(table.visibility == "workspace", table.workspace_id == principal.workspace_id)
    query = Scope.of_organization(principal).select(table)
    if principal.api_key_id is not None:
        return query.where(shared)
    return query.where(or_(shared, and_(table.visibility == "user", table.user_id == principal.user_id)))


async def by_id(session: AsyncSession, principal: Principal, comparison_id: str) -> StoredComparison | None:
    """A comparison that the caller may see."""
    return await session.scalar(visible(principal).where(StoredComparison.id == comparison_id))


async def latest_first(
    session: AsyncSession, principal: Principal, *, after: StoredComparison | None, limit: int
) -> Sequence[StoredComparison]:
    """A page of the comparisons that were answered; ``after``: the last one of the page before."""
    query = visible(principal).where(StoredComparison.answered.is_(True))
    order = tuple_(StoredComparison.created_at, StoredComparison.id)
    if after is not None:
        query = query.where(order < tuple_(literal(after.created_at), literal(after.id)))
    query = query.order_by(StoredComparison.created_at.desc(), StoredComparison.id.desc())
    return list(await session.scalars(query.limit(limit)))


async def votes_of(session: AsyncSession, principal: Principal, ids: Sequence[str]) -> dict[str, ComparisonVote]:
    """The caller's own votes on these comparisons, by the comparison's id."""
    query = Scope.of_user(principal).select(ComparisonVote).where(ComparisonVote.comparison_id.in_(ids))
    return {vote.comparison_id: vote for vote in await session.scalars(query)}


async def mark_answered(session: AsyncSession, scope: Scope, comparison_id: str) -> None:
    await session.execute(
        scope.update(StoredComparison).where(StoredComparison.id == comparison_id).values(answered=True)
    )


async def delete(session: AsyncSession, scope: Scope, comparison_id: str) -> None:
    await session.execute(scope.delete(StoredComparison).where(StoredComparison.id == comparison_id))


async def tallies(
    session: AsyncSession, principal: Principal, *, settings: bool, blind: bool
) -> list[tuple[str, str, str, int]]:
    """Left player, right player, choice, and how many votes were so.

    Players are models, of all votes in the organization. With ``settings`` they are the sides, as JSON, of the
    comparisons that the caller may see. ``blind``: only votes that were given without knowing the models.
    """
    table = StoredComparison
    left, right = (table.left_side, table.right_side) if settings else (table.left_model, table.right_model)
    comparisons = visible(principal) if settings else Scope.of_organization(principal).select(table)
    sides = comparisons.with_only_columns(table.id.label("id"), left.label("left"), right.label("right")).subquery()
    votes = Scope.of_organization(principal).select(ComparisonVote)
    if blind:
        votes = votes.where(ComparisonVote.blind.is_(True))
    vote = votes.with_only_columns(ComparisonVote.comparison_id.label("id"), ComparisonVote.choice.label("choice"))
    choices = vote.subquery()
    query = (
        select(sides.c.left, sides.c.right, choices.c.choice, func.count())
        .join_from(sides, choices, sides.c.id == choices.c.id)
        .where(sides.c.left != sides.c.right)
        .group_by(sides.c.left, sides.c.right, choices.c.choice)
    )
    return [(row[0], row[1], row[2], row[3]) for row in await session.execute(query)]


async def forget_prompts(session: AsyncSession, *, now: int, most: int) -> int:
    """Forget questions that are kept no longer, by the organizations' rules; returns how many."""
    days = (
        Everyone.select(ConversationPolicy)
        .with_only_columns(ConversationPolicy.days)
        .where(ConversationPolicy.organization_id == StoredComparison.organization_id)
        .scalar_subquery()
    )
    expired = (
        Everyone.select(StoredComparison)
        .with_only_columns(StoredComparison.id)
        .where(StoredComparison.prompt.is_not(None), StoredComparison.created_at + days * DAY <= now)
        .limit(most)
    )
    ids = list(await session.scalars(expired))
    if ids:
        await session.execute(Everyone.update(StoredComparison).where(StoredComparison.id.in_(ids)).values(prompt=None))
    return len(ids)


async def delete_unanswered(session: AsyncSession, *, before: int, most: int) -> int:
    """Delete comparisons whose sides didn't both answer, which nobody can vote on; returns how many."""
    unanswered = (
        Everyone.select(StoredComparison)
        .with_only_columns(StoredComparison.id)
        .where(StoredComparison.answered.is_(False), StoredComparison.created_at < before)
        .limit(most)
    )
    ids = list(await session.scalars(unanswered))
    if ids:
        await session.execute(Everyone.delete(StoredComparison).where(StoredComparison.id.in_(ids)))
    return len(ids)
