"""The actions that a role permits, in the whole organization and in a workspace."""

from __future__ import annotations

from typing import Literal

from aquilon.errors import forbidden, not_found
from aquilon.people.identity import Feature, KeyScope, Principal, Role

Action = Literal[
    "generate",
    "files.use",
    "batches.use",
    "fine_tuning.use",
    "usage.read",
    "billing.manage",
    "keys.create",
    "keys.manage",
    "members.read",
    "members.manage",
    "owners.manage",
    "workspaces.read",
    "workspaces.manage",
    "organization.update",
    "audit.read",
    "server.manage",
]

_EVERYWHERE: dict[Action, frozenset[Role]] = {
    "generate": frozenset({"owner", "administrator"}),
    "files.use": frozenset({"owner", "administrator"}),
    "batches.use": frozenset({"owner", "administrator"}),
    "fine_tuning.use": frozenset({"owner", "administrator"}),
    "usage.read": frozenset({"owner", "administrator", "billing"}),
    "billing.manage": frozenset({"owner", "administrator", "billing"}),
    "keys.create": frozenset({"owner", "administrator"}),
    "keys.manage": frozenset({"owner", "administrator"}),
    "members.read": frozenset({"owner", "administrator", "billing"}),
    "members.manage": frozenset({"owner", "administrator"}),
    "owners.manage": frozenset({"owner"}),
    "workspaces.read": frozenset({"owner", "administrator", "billing"}),
    "workspaces.manage": frozenset({"owner", "administrator"}),
    "organization.update": frozenset({"owner", "administrator"}),
    "audit.read": frozenset({"owner", "administrator"}),
    "server.manage": frozenset({"owner", "administrator"}),
}
"""Roles in the organization that permit the action everywhere. Other roles permit it at most in a workspace."""

_IN_WORKSPACE: dict[Action, frozenset[Role]] = {
    "generate": frozenset({"administrator", "developer", "member"}),
    "files.use": frozenset({"administrator", "developer", "member"}),
    "batches.use": frozenset({"administrator", "developer", "member"}),
    "fine_tuning.use": frozenset({"administrator", "developer"}),
    "usage.read": frozenset({"administrator", "billing"}),
    "keys.create": frozenset({"administrator", "developer"}),
    "keys.manage": frozenset({"administrator"}),
    "members.read": frozenset({"administrator", "developer"}),
    "members.manage": frozenset({"administrator"}),
    "workspaces.read": frozenset({"administrator", "developer", "member", "billing"}),
}
"""Roles in a workspace that permit the action there. A user's own keys and usage need no permission."""

_SCOPES: dict[Action, KeyScope] = {
    "generate": "inference",
    "files.use": "files",
    "batches.use": "batch",
    "fine_tuning.use": "batch",
    "usage.read": "usage",
}
"""The scope that a key needs for the action; for every other action it is ``administration``."""


def permits(role: Role, workspace_role: Role | None, action: Action) -> bool:
    """``workspace_role`` is the role in the workspace that the action concerns, None for the whole organization."""
    return role in _EVERYWHERE[action] or (
        workspace_role is not None and workspace_role in _IN_WORKSPACE.get(action, frozenset())
    )


def has_scope(principal: Principal, action: Action) -> bool:
    return _SCOPES.get(action, "administration") in principal.scopes


def require_scope(principal: Principal, action: Action) -> None:
    """Check that the key has the action's scope, whatever its user's role. Raises ApiError 403."""
    if not has_scope(principal, action):
        scope = _SCOPES.get(action, "administration")
        raise forbidden(
            f"This API key is not for {scope}: its scopes are {', '.join(sorted(principal.scopes)) or 'none'}",
            code="scope_missing",
        )


def require(principal: Principal, action: Action, workspace_role: Role | None = None) -> None:
    """Check the key's scope and the user's role. Raises ApiError 403."""
    require_scope(principal, action)
    if not permits(principal.role, workspace_role, action):
        in_workspace = f" and {workspace_role} in the workspace" if workspace_role is not None else ""
        raise forbidden(
            f"The role {principal.role}{in_workspace} doesn't permit {action}",
            code="role_missing",
            values={"action": str(action)},
        )


def may_operate(principal: Principal) -> bool:
    """Whether `require_operator` lets the principal pass."""
    may_manage = has_scope(principal, "server.manage") and permits(principal.role, None, "server.manage")
    return may_manage and principal.operates


def require_operator(principal: Principal) -> None:
    """Check the right to manage what all organizations share: models, upstreams, prices. Raises ApiError 403."""
    require(principal, "server.manage")
    if not principal.operates:
        raise forbidden("Only the organization that runs this server may do this", code="not_the_operator")


def require_generation(principal: Principal, *names: str) -> None:
    """Check the right to use a model, ``names[0]``; the key may allow it by any of its ``names``.

    Raises ApiError 403, or 404 for a model that the organization keeps from the caller.
    """
    require(principal, "generate", principal.workspace_role)
    if names and names[0] in principal.hidden_models:
        raise not_found(
            f"The model '{names[-1][:200]}' does not exist",
            param="model",
            code="model_not_found",
            values={"name": names[-1][:200]},
        )
    if principal.allowed_models is not None and principal.allowed_models.isdisjoint(names):
        allowed = ", ".join(sorted(principal.allowed_models)) or "none"
        raise forbidden(
            f"This API key is not for the model '{names[0]}'; its models are: {allowed}", code="model_not_allowed"
        )


def require_feature(principal: Principal, feature: Feature) -> None:
    """Check the right to use a part of the chat. Raises ApiError 403."""
    if feature not in principal.features:
        raise forbidden(
            f"Your organization has turned off '{feature}' for you: an administrator can turn it on",
            code="feature_off",
        )
