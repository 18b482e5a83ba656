"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["owner", "administrator", "developer", "member", "billing"]
ROLES: tuple[Role, ...] = get_args(Role)

KeyScope = Literal["inference", "files", "batch", "usage", "administration"]
"""What a key may be used for; what its user may do is asked besides."""
KEY_SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
DEFAULT_KEY_SCOPES: tuple[KeyScope, ...] = ("inference", "files", "batch", "usage")
"""Administration must be asked for by name."""

OPERATOR_ID = "operator"
"""In place of a user's id: whoever runs the command line on the server's own machine."""


@dataclass(frozen=True)
class Principal:
    """The authenticated user behind a request; every query is scoped to it."""

    user_id: str
    user_name: str
    role: Role
    """In the organization."""
    organization_id: str
    organization_name: str
    workspace_id: str
    """The key's; for a session the first one that the user is a member of, else the organization's first."""
    workspace_role: Role | None
    """None without membership: an owner's or administrator's role reaches into every workspace all the same."""
    api_key_id: str | None = None
    """Set when the request came with an API key, None when it came with a session."""
    scopes: frozenset[KeyScope] = frozenset(KEY_SCOPES)
    allowed_models: frozenset[str] | None = None
    """None is every model."""
    operates: bool = False
    """Whether the organization runs the server: its owners and administrators manage what all share."""
    hops: int = 0
    """Servers of this program that passed the request on before it came here: each is an upstream of the one before."""
    batch_line: str | None = None
    """Set for a line of a batch job: what its usage is recorded under, at the batch price, together with its result."""
