"""The record of what one request used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from aquilon.money.usage_event import Usage

Outcome = Literal["completed", "cancelled", "failed"]
"""``cancelled``: the client left; ``failed``: the engine or the server ended it."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class UsageEvent:
    """One request, however it ended: exactly one event for each that was admitted."""

    request_id: str
    """The answer's ``id``."""
    organization_id: str
    workspace_id: str
    user_id: str
    api_key_id: str | None
    """None for a request that came with a session."""
    model: str
    ended_at: int
    """Seconds since 1970."""
    usage: Usage
    outcome: Outcome
    latency_ms: int
    """From admission to the last token."""
    first_token_ms: int | None
    """From admission to the first token; None where none came."""
    cost: int
    """Millionths of a cent."""
    price_id: str | None
    """What the cost was counted with; None where the model has no price."""
    batch: bool = False
    """Whether it was a line of a batch job."""
    budget_lines: tuple[tuple[str, int], ...] = ()
    """Each budget that paid for it, with the start of the period that it was spent in."""
