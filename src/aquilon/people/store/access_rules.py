"""Queries over the rules that say who may use a model or a part of the chat."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.identity import FEATURES, Principal
from aquilon.people.scope import Scope
from aquilon.people.tables import AccessRule

RuleKind = Literal["model", "feature"]


async def rules(session: AsyncSession, scope: Scope) -> list[AccessRule]:
    return list(await session.scalars(scope.select(AccessRule).order_by(AccessRule.kind, AccessRule.name)))


async def set_rule(
    session: AsyncSession,
    scope: Scope,
    kind: RuleKind,
    name: str,
    *,
    roles: Sequence[str] | None,
    workspace_ids: Sequence[str] | None,
) -> None:
    """Set a rule in place of the former one; without roles and workspaces everybody may."""
    await session.execute(scope.delete(AccessRule).where(AccessRule.kind == kind, AccessRule.name == name))
    if roles is not None or workspace_ids is not None:
        session.add(
            AccessRule(
                organization_id=scope.organization_id,
                kind=kind,
                name=name,
                roles=None if roles is None else list(roles),
                workspace_ids=None if workspace_ids is None else list(workspace_ids),
                changed_at=int(time.time()),
            )
        )
        await session.flush()


async def under_rules(session: AsyncSession, principal: Principal) -> Principal:
    """The principal without the models and parts of the chat that a rule keeps from it."""
    refused = {
        (rule.kind, rule.name)
        for rule in await rules(session, Scope.of_organization(principal))
        if not _lets_in(rule, principal)
    }
    if not refused:
        return principal
    return replace(
        principal,
        hidden_models=frozenset(name for kind, name in refused if kind == "model"),
        features=frozenset(feature for feature in FEATURES if ("feature", feature) not in refused),
    )


def _lets_in(rule: AccessRule, principal: Principal) -> bool:
    has_role = rule.roles is None or principal.role in rule.roles or principal.workspace_role in rule.roles
    return has_role and (rule.workspace_ids is None or principal.workspace_id in rule.workspace_ids)
