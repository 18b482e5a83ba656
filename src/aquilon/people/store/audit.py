"""The audit log: who changed what, written in the transaction of the change itself."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.identity import OPERATOR_ID, Principal
from aquilon.people.scope import Scope
from aquilon.people.tables import AuditEntry


async def record(
    session: AsyncSession, actor: Principal, action: str, *, object_id: str, object_name: str, **detail: Any
) -> None:
    """``detail`` has the values that were set, as JSON; never a secret."""
    kind = "user" if actor.api_key_id is None else "api_key"
    if actor.user_id == OPERATOR_ID:
        kind = "operator"
    session.add(
        AuditEntry(
            organization_id=actor.organization_id,
            at=int(time.time()),
            actor_kind=kind,
            actor_id=actor.api_key_id or actor.user_id,
            actor_name=actor.user_name,
            action=action,
            object_id=object_id,
            object_name=object_name,
            detail=detail,
        )
    )
    await session.flush()


async def entries(session: AsyncSession, scope: Scope, *, before: int | None = None, limit: int) -> list[AuditEntry]:
    """The newest entries first; ``before`` is the last id of the previous page."""
    query = scope.select(AuditEntry)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return list(await session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))
