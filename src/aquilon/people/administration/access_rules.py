"""Reading and setting who may use a model or a part of the chat."""

from __future__ import annotations

from collections.abc import Sequence

from aquilon.errors import invalid
from aquilon.people.administration.access import no_such
from aquilon.people.identity import FEATURES, Principal, Role
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import access_rules, workspaces
from aquilon.people.store.access_rules import RuleKind
from aquilon.people.store.audit import record
from aquilon.people.tables import AccessRule
from aquilon.storage import Database

MOST_RULES = 500


async def every(database: Database, principal: Principal) -> list[AccessRule]:
    """Raises ApiError 403."""
    require(principal, "organization.update")
    async with database.reading() as session:
        return await access_rules.rules(session, Scope.of_organization(principal))


async def set_rule(
    database: Database,
    principal: Principal,
    kind: RuleKind,
    name: str,
    *,
    roles: Sequence[Role] | None,
    workspaces_: Sequence[str] | None,
) -> None:
    """``workspaces_`` are ids or names; None for roles or workspaces allows any, both remove the rule.

    Raises ApiError: 400 for an unknown feature, 403, 404 for an unknown workspace.
    """
    require(principal, "organization.update")
    if kind == "feature" and name not in FEATURES:
        raise invalid(
            f"There is no feature '{name[:50]}': they are {', '.join(FEATURES)}",
            param="name",
            code="not_one_of",
            values={"value": name[:50], "allowed": ", ".join(FEATURES)},
        )
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        ids: list[str] | None = None if workspaces_ is None else []
        for id_or_name in workspaces_ or ():
            workspace = await workspaces.workspace_by(session, scope, id_or_name)
            if workspace is None:
                raise no_such("workspace", id_or_name)
            if ids is not None and workspace.id not in ids:
                ids.append(workspace.id)
        if len(await access_rules.rules(session, scope)) >= MOST_RULES:
            raise invalid(
                f"There are {MOST_RULES} rules already: remove some first",
                code="too_many_rules",
                values={"most": MOST_RULES},
            )
        await access_rules.set_rule(session, scope, kind, name, roles=roles, workspace_ids=ids)
        await record(
            session,
            principal,
            "access_rule.set",
            object_id=f"{kind}:{name}",
            object_name=name,
            roles=None if roles is None else list(roles),
            workspace_ids=ids,
        )
