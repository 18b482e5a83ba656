"""The principal behind a request, with its role and its key's scopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["owner", "administrator", "developer", "member", "billing"]
ROLES: tuple[Role, ...] = get_args(Role)

KeyScope = Literal["inference", "files", "batch", "usage", "administration"]
"""What a key may be used for; its user's role must permit the action too."""
KEY_SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
DEFAULT_KEY_SCOPES: tuple[KeyScope, ...] = ("inference", "files", "batch", "usage")
"""A key is for administration only if its creator names that scope."""

Feature = Literal["documents", "memory", "sharing", "explore", "import"]
"""A part of the chat that an organization may turn off, or keep to some roles and workspaces."""
FEATURES: tuple[Feature, ...] = get_args(Feature)

OPERATOR_ID = "operator"
"""In place of a user's id: the command line on the server's own machine."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The authenticated user behind a request; every query is scoped to it."""

    user_id: str
    user_name: str
    role: Role
    """In the organization."""
    organization_id: str
    organization_name: str
    workspace_id: str
    """The key's workspace; for a session the first one that the user is a member of, else the organization's first."""
    workspace_role: Role | None
    """None without membership; an owner's or administrator's role still reaches into every workspace."""
    api_key_id: str | None = None
    """None if the request came with a session."""
    scopes: frozenset[KeyScope] = frozenset(KEY_SCOPES)
    allowed_models: frozenset[str] | None = None
    """None allows every model."""
    hidden_models: frozenset[str] = frozenset()
    """Models of the server that the organization keeps from this caller; they answer as unknown ones do."""
    features: frozenset[Feature] = frozenset(FEATURES)
    """The parts of the chat that the caller may use."""
    expires_at: int | None = None
    """When the request's secret stops working, in seconds since 1970; None for never."""
    operates: bool = False
    """Whether the organization runs the server: its owners and administrators manage what all organizations share."""
    hops: int = 0
    """How many servers of this program passed the request on before it came here."""
    batch_line: str | None = None
    """Set for a line of a batch job: the id under which its usage is recorded, at the batch price, with its result."""

    def may_use(self, model: str, *other_names: str) -> bool:
        """Whether the caller may use a model, by its own name or, where its key names them, by another one."""
        allowed = self.allowed_models
        return model not in self.hidden_models and (allowed is None or not allowed.isdisjoint((model, *other_names)))
