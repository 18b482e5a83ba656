"""Queries over what people think of answers."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.tables.feedback import Feedback
from aquilon.conversations.tables import StoredConversation, StoredRun
from aquilon.people.scope import Scope


async def of_run(session: AsyncSession, scope: Scope, run_id: str) -> Feedback | None:
    """A person's judgement of an answer. ``scope``: the person's."""
    return await session.scalar(scope.select(Feedback).where(Feedback.run_id == run_id))


async def of_conversation(session: AsyncSession, scope: Scope, conversation_id: str) -> Sequence[Feedback]:
    """A person's judgements of the answers in a conversation that the person may see, in the order of the answers."""
    query = scope.select(Feedback).join(StoredRun, StoredRun.id == Feedback.run_id)
    query = query.where(StoredRun.conversation_id == conversation_id)
    return list(await session.scalars(query.order_by(Feedback.run_id)))


async def delete(session: AsyncSession, scope: Scope, run_id: str) -> bool:
    """True if there was one."""
    deleted = scope.delete(Feedback).where(Feedback.run_id == run_id).returning(Feedback.run_id)
    return (await session.execute(deleted)).first() is not None


async def conversations_with_consent(
    session: AsyncSession, scope: Scope, *, after: str, most: int
) -> Sequence[tuple[str, str]]:
    """The ids and persons of some conversations with an answer that their own person liked and gives for training.

    Those that other people see, or that are kept no longer, are left out. ``after``: the last id of the page before.
    """
    query = (
        scope.select(StoredConversation)
        .with_only_columns(StoredConversation.id, StoredConversation.user_id)
        .join(StoredRun, StoredRun.conversation_id == StoredConversation.id)
        .join(Feedback, Feedback.run_id == StoredRun.id)
        .where(
            StoredConversation.id > after,
            StoredConversation.visibility == "user",
            StoredConversation.user_id == Feedback.user_id,
            or_(StoredConversation.expires_at.is_(None), StoredConversation.expires_at > int(time.time())),
            Feedback.rating == "up",
            Feedback.consent.is_(True),
        )
        .distinct()
        .order_by(StoredConversation.id)
        .limit(most)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def ended_runs(
    session: AsyncSession, scope: Scope, conversation_id: str, *, without: str
) -> Sequence[tuple[str, bool]]:
    """The ids of a conversation's answers in the order in which they began, and whether each was written to its end.

    ``without``: a dialect whose runs are left out.
    """
    query = scope.select(StoredRun).where(
        StoredRun.conversation_id == conversation_id,
        StoredRun.status.in_(("completed", "incomplete")),
        StoredRun.dialect != without,
    )
    columns = query.with_only_columns(StoredRun.id, StoredRun.status).order_by(StoredRun.created_at, StoredRun.id)
    return [(id_, status == "completed") for id_, status in await session.execute(columns)]
