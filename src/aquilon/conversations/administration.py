"""How long an organization's conversations are kept: read and set by its owners and administrators."""

from __future__ import annotations

from aquilon.conversations.retention import require_days
from aquilon.conversations.store.conversations import policy_days, set_policy
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import audit
from aquilon.storage import Database


async def retention(database: Database, principal: Principal) -> int | None:
    """The days after the last change; 0 if nothing is stored, None for ever. Raises ApiError 403."""
    require(principal, "organization.update")
    async with database.reading() as session:
        return await policy_days(session, Scope.of_organization(principal))


async def set_retention(database: Database, principal: Principal, days: int | None) -> None:
    """Set it, for present conversations too: older ones become invisible now, and are deleted within the hour.

    Raises ApiError 400 or 403.
    """
    require(principal, "organization.update")
    require_days(days, least=0, param="days")
    async with database.writing(alone=True) as session:
        await set_policy(session, Scope.of_organization(principal), days)
        await audit.record(
            session,
            principal,
            "conversations.retention_set",
            object_id=principal.organization_id,
            object_name=principal.organization_name,
            days=days,
        )
