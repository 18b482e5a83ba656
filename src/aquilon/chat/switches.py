"""What an organization has switched on or off in the chat: read by its people, changed by its administrators."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.store import switches as stored_switches
from aquilon.chat.tables.switches import ChatSwitches
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import audit
from aquilon.storage import Database


@dataclass(frozen=True, kw_only=True)
class Switches:
    sharing: bool = True
    """Whether links to snapshots work."""
    preference_pairs: bool = False
    """Whether people may let their judgements of answers be kept for training."""


async def read(session: AsyncSession, scope: Scope) -> Switches:
    row = await stored_switches.of_organization(session, scope)
    return Switches() if row is None else Switches(sharing=row.sharing, preference_pairs=row.preference_pairs)


async def switches(database: Database, principal: Principal) -> Switches:
    """The organization's switches. Raises ApiError 403 if the caller may not ask models."""
    require(principal, "generate", principal.workspace_role)
    async with database.reading() as session:
        return await read(session, Scope.of_organization(principal))


async def change(
    database: Database, principal: Principal, *, sharing: bool | None = None, preference_pairs: bool | None = None
) -> Switches:
    """Change the switches that are given; they count at once. Raises ApiError 403."""
    require(principal, "organization.update")
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        wanted = await read(session, scope)
        if sharing is not None:
            wanted = replace(wanted, sharing=sharing)
        if preference_pairs is not None:
            wanted = replace(wanted, preference_pairs=preference_pairs)
        await session.execute(scope.delete(ChatSwitches))
        session.add(ChatSwitches(organization_id=scope.organization_id, changed_at=int(time.time()), **asdict(wanted)))
        await audit.record(
            session,
            principal,
            "chat.switched",
            object_id=principal.organization_id,
            object_name=principal.organization_name,
            **asdict(wanted),
        )
    return wanted
