"""Queries over saved prompts: which ones a caller may see."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, and_, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from aquilon.chat.tables.prompts import StoredPrompt
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope


def visible(principal: Principal) -> Select[StoredPrompt]:
    """The prompts that the caller's workspace shares and, for a signed-in person, their own.

    Raises ApiError 403 if the caller may not ask models.
    """
    require(principal, "generate", principal.workspace_role)
    shared = and_(StoredPrompt.visibility == "workspace", StoredPrompt.workspace_id == principal.workspace_id)
    query = Scope.of_organization(principal).select(StoredPrompt)
    if principal.api_key_id is not None:
        return query.where(shared)
    own = and_(StoredPrompt.visibility == "user", StoredPrompt.user_id == principal.user_id)
    return query.where(or_(shared, own))


async def by_id(session: AsyncSession, principal: Principal, prompt_id: str) -> StoredPrompt | None:
    """A prompt that the caller may see."""
    return await session.scalar(visible(principal).where(StoredPrompt.id == prompt_id))


async def page(session: AsyncSession, principal: Principal, *, after: str | None, limit: int) -> Sequence[StoredPrompt]:
    """A page of the caller's prompts without their messages and settings, the latest first: ids order by time."""
    query = visible(principal).options(
        load_only(
            StoredPrompt.id,
            StoredPrompt.name,
            StoredPrompt.visibility,
            StoredPrompt.created_at,
            StoredPrompt.updated_at,
            raiseload=True,
        )
    )
    if after is not None:
        query = query.where(StoredPrompt.id < after)
    return list(await session.scalars(query.order_by(StoredPrompt.id.desc()).limit(limit)))


async def delete(session: AsyncSession, scope: Scope, prompt_id: str) -> None:
    await session.execute(scope.delete(StoredPrompt).where(StoredPrompt.id == prompt_id))
