"""Queries over the rules that say who may use a model or a part of the chat."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.identity import FEATURES, Feature, Principal
from aquilon.people.scope import Scope
from aquilon.people.tables import AccessRule, User, WorkspaceMember

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
        if not _lets_in(rule, (principal.role, principal.workspace_role), principal.workspace_id)
    }
    if not refused:
        return principal
    return replace(
        principal,
        hidden_models=frozenset(name for kind, name in refused if kind == "model"),
        features=frozenset(feature for feature in FEATURES if ("feature", feature) not in refused),
    )


async def may_use(session: AsyncSession, scope: Scope, feature: Feature, *, user_id: str, workspace_id: str) -> bool:
    """Whether the rule of a part of the chat lets in a person who isn't the caller, in one of the workspaces."""
    named = scope.select(AccessRule).where(AccessRule.kind == "feature", AccessRule.name == feature)
    rule = await session.scalar(named)
    if rule is None:
        return True
    role = await session.scalar(scope.select(User).where(User.id == user_id).with_only_columns(User.role))
    membership = scope.select(WorkspaceMember).where(
        WorkspaceMember.user_id == user_id, WorkspaceMember.workspace_id == workspace_id
    )
    workspace_role = await session.scalar(membership.with_only_columns(WorkspaceMember.role))
    return _lets_in(rule, (role, workspace_role), workspace_id)


def _lets_in(rule: AccessRule, roles: tuple[str | None, str | None], workspace_id: str) -> bool:
    """``roles``: in the organization and in the workspace."""
    has_role = rule.roles is None or not set(rule.roles).isdisjoint(roles)
    return has_role and (rule.workspace_ids is None or workspace_id in rule.workspace_ids)
