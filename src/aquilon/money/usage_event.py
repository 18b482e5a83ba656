"""The record of what one request used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

Outcome = Literal["completed", "cancelled", "failed", "refused"]
"""``cancelled``: the client left. ``failed``: the engine, an upstream or the server failed. ``refused``: a limit, a
budget or a quota stopped the request; it is logged and counts in no total."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one request. The prompt counts once, however many continuations there are."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    """Of ``completion_tokens``, those of the model's thoughts."""

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, kw_only=True)
class UsageEvent:
    """One request, however it ended. Each admitted request has exactly one event, and some of the refused have one."""

    request_id: str
    """The ``id`` of the answer."""
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
    """From admission to the first token; None if none came."""
    cost: int
    """Millionths of a cent."""
    price_id: str | None
    """The price by which the cost was computed; None if the model has no price."""
    error_code: str | None = None
    """Why the request failed, as its answer said; None if it didn't fail, or the server ended meanwhile."""
    batch: bool = False
    """Whether the request was a line of a batch job."""
    budget_lines: tuple[tuple[str, int], ...] = ()
    """The id of each budget that paid, with the start of the period in which it was spent."""
    quota_lines: tuple[tuple[str, int, int], ...] = ()
    """The line of each quota of the person that counts the request, its period's start, and how much was used."""
