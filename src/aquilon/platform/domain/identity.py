"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["administrator", "member"]


@dataclass(frozen=True)
class Principal:
    """The authenticated user behind a request; every query is scoped to it."""

    user_id: str
    user_name: str
    role: Role
    organization_id: str
    organization_name: str
    api_key_id: str | None = None
    """Set when the request came with an API key, None when it came with a session."""
