"""Queries over shares: a person's own and those of their conversations, and the one of a link."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, literal, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from aquilon.chat.tables.shares import Share
from aquilon.conversations.store.conversations import visible
from aquilon.conversations.tables import StoredConversation, StoredItem, StoredRun
from aquilon.people.identity import Principal
from aquilon.people.scope import Everyone, Scope
from aquilon.people.tables import User


def _own(principal: Principal) -> Select[Share]:
    """The shares that the caller made, and those of the caller's conversations: whoever in the workspace made them.

    A key sees those of conversations that it may see.
    """
    scope = Scope.of_organization(principal)
    own = scope.select(StoredConversation).where(StoredConversation.user_id == principal.user_id)
    query = scope.select(Share).options(defer(Share.snapshot))
    query = query.where(
        or_(
            Share.user_id == principal.user_id,
            Share.conversation_id.in_(own.with_only_columns(StoredConversation.id)),
        )
    )
    if principal.api_key_id is None:
        return query
    seen = visible(principal).with_only_columns(StoredConversation.id)
    return query.where(Share.conversation_id.in_(seen))


async def own_by_id(session: AsyncSession, principal: Principal, share_id: str) -> Share | None:
    return await session.scalar(_own(principal).where(Share.id == share_id))


async def own_latest_first(
    session: AsyncSession,
    principal: Principal,
    *,
    conversation_id: str | None,
    after: Share | None,
    limit: int,
    now: int,
) -> Sequence[Share]:
    """A page of the caller's shares that haven't expired, without their snapshots, the latest first."""
    query = _own(principal).where(or_(Share.expires_at.is_(None), Share.expires_at > now))
    if conversation_id is not None:
        query = query.where(Share.conversation_id == conversation_id)
    order = tuple_(Share.created_at, Share.id)
    if after is not None:
        query = query.where(order < tuple_(literal(after.created_at), literal(after.id)))
    return list(await session.scalars(query.order_by(Share.created_at.desc(), Share.id.desc()).limit(limit)))


async def of_link(session: AsyncSession, token_hash: str, *, now: int) -> Share | None:
    """The share of a link that holds: neither it nor its conversation has expired, and its person isn't disabled."""
    live = Everyone.select(StoredConversation).where(
        StoredConversation.id == Share.conversation_id,
        or_(StoredConversation.expires_at.is_(None), StoredConversation.expires_at > now),
    )
    person = Everyone.select(User).where(User.id == Share.user_id, User.disabled_at.is_(None))
    query = Everyone.select(Share).where(
        Share.token_hash == token_hash,
        or_(Share.expires_at.is_(None), Share.expires_at > now),
        live.exists(),
        person.exists(),
    )
    return await session.scalar(query)


async def delete_with_questions_of(session: AsyncSession, person: Scope) -> None:
    """Delete the shares, whoever made them, that may show what the scope's user asked."""
    scope = Scope(person.organization_id)
    asked = scope.select(StoredRun).where(
        StoredRun.asked_by == person.user_id,
        StoredRun.conversation_id == Share.conversation_id,
        StoredRun.created_at <= Share.created_at,
        scope.select(StoredItem).where(StoredItem.run_id == StoredRun.id, ~StoredItem.output).exists(),
    )
    await session.execute(scope.delete(Share).where(asked.exists()))


async def delete_expired(session: AsyncSession, *, now: int, most: int) -> int:
    """Delete some of the shares that have expired; returns how many."""
    expired = Everyone.select(Share).where(Share.expires_at <= now).with_only_columns(Share.id).limit(most)
    ids = list(await session.scalars(expired))
    await session.execute(Everyone.delete(Share).where(Share.id.in_(ids)))
    return len(ids)
