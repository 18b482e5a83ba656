"""The principal of requests without a key, where a setting allows them from this machine."""

from __future__ import annotations

from dataclasses import replace

from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.store import accounts
from aquilon.people.store.access_rules import under_rules
from aquilon.people.store.sessions import workspace_of
from aquilon.storage import Database


async def keyless_principal(database: Database) -> Principal | None:
    """The first administrator of the organization that runs the server, with a member's rights, for inference alone.

    None without such an administrator, or if the organization is disabled. Usage is recorded under that
    administrator's name and counts for the budgets and limits of the administrator's workspace.
    """
    async with database.reading() as session:
        organization = next((row for row in await accounts.list_organizations(session) if row.operates), None)
        if organization is None or organization.disabled_at is not None:
            return None
        user = await accounts.first_administrator(session, Scope(organization.id))
        if user is None:
            return None
        workspace_id, membership = await workspace_of(session, user, None)
        principal = accounts.principal(user, organization, workspace_id, membership=membership)
        principal = replace(
            principal, role="member", workspace_role="member", scopes=frozenset({"inference"}), operates=False
        )
        return await under_rules(session, principal)
