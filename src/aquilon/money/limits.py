"""Limits: requests and tokens a minute, and requests at once, of an organization, a workspace or a key.

A limit is for every model together, or for one model alone; those of several scopes hold side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from aquilon.errors import ApiError
from aquilon.money.budgets import Scope
from aquilon.people.identity import Principal

WINDOW_SECONDS = 60
Unit = Literal["requests", "tokens"]

MOST = 10**12
"""Of anything in a minute, or at once."""


@dataclass(frozen=True)
class Limit:
    """What is None isn't limited; 0 lets nothing through."""

    id: str
    scope: Scope
    scope_id: str
    """The organization's, workspace's or key's id."""
    model: str
    """A model's own name; empty for all models together."""
    requests_per_minute: int | None
    tokens_per_minute: int | None
    """Prompt tokens that the prefix cache did not have, and completion tokens."""
    parallel_requests: int | None

    @property
    def whose(self) -> str:
        """For messages: ``key``, or ``key's for the model 'm'``."""
        return f"{self.scope}'s limit for the model '{self.model}'" if self.model else f"{self.scope}'s limit"

    @property
    def slots(self) -> tuple[str, int]:
        """What requests that run now are counted under in the ledger."""
        return (self.id, 0)


@dataclass(frozen=True)
class Quota:
    """One number of a limit that is counted in windows of a minute."""

    limit: Limit
    unit: Unit
    amount: int

    @property
    def key(self) -> str:
        return f"{self.limit.id}/{self.unit}"


def quotas(limits: Iterable[Limit]) -> list[Quota]:
    found = []
    for limit in limits:
        if limit.requests_per_minute is not None:
            found.append(Quota(limit, "requests", limit.requests_per_minute))
        if limit.tokens_per_minute is not None:
            found.append(Quota(limit, "tokens", limit.tokens_per_minute))
    return found


def applies(scope: Scope, scope_id: str, principal: Principal) -> bool:
    """Whether what is set for an organization, a workspace or a key holds for this caller."""
    ids = {
        "organization": principal.organization_id,
        "workspace": principal.workspace_id,
        "key": principal.api_key_id,
    }
    return scope_id == ids[scope]


@dataclass(frozen=True)
class Window:
    """A sliding window counter: the last minute is the present one and what still reaches into it of the one before.

    The four numbers are those of the ``limits`` library's storages, times in seconds.
    """

    previous: int
    previous_left: float
    """Until nothing of the previous window counts any more."""
    current: int
    current_left: float
    """Until nothing of the present window counts any more: more than a minute, as it will then be the previous one."""

    @property
    def used(self) -> int:
        return max(0, math.floor(self.previous * self.previous_left / WINDOW_SECONDS) + self.current)

    def wait(self, amount: int, cost: int) -> float:
        """Seconds until ``cost`` fits into ``amount``, if nothing else comes; infinite where it never does."""
        if cost > amount:
            return math.inf
        room = amount - cost + 1  # what is counted is rounded down: all below this fits
        if self.used < room:
            return 0.0
        if self.current < room and self.previous > 0:
            return self.previous_left - (room - self.current) * WINDOW_SECONDS / self.previous
        until_previous = max(0.0, self.current_left - WINDOW_SECONDS)
        return until_previous + WINDOW_SECONDS - room * WINDOW_SECONDS / max(1, self.current)

    @property
    def empty_in(self) -> float:
        """Seconds until nothing counts any more."""
        if self.current > 0:
            return self.current_left
        return self.previous_left if self.previous > 0 else 0.0


def rate_exceeded(quota: Quota, window: Window, cost: int) -> ApiError:
    """Status 429: which limit, what remains, when to try again."""
    remaining = max(0, quota.amount - window.used)
    wait = window.wait(quota.amount, cost)
    needs = f", and this request needs {cost}" if quota.unit == "tokens" else ""
    message = f"The {quota.limit.whose} is {quota.amount} {quota.unit} a minute; {remaining} remain{needs}"
    headers = {"x-aquilon-limit": f"{quota.limit.scope}:{quota.limit.id}"}
    if math.isinf(wait):
        message += ", more than a whole minute's" if quota.unit == "tokens" else ""
        return ApiError(
            429,
            "rate_limit_error",
            message,
            code="rate_limit_exceeded",
            headers={**headers, "x-should-retry": "false"},
        )
    seconds = max(1, math.ceil(wait))
    return ApiError(
        429,
        "rate_limit_error",
        f"{message}: try again in {seconds} second{'' if seconds == 1 else 's'}",
        code="rate_limit_exceeded",
        retry_after=seconds,
        headers=headers,
    )


def all_slots_taken(limit: Limit) -> ApiError:
    """Status 429: as many requests run as may at once."""
    return ApiError(
        429,
        "rate_limit_error",
        f"The {limit.whose} is {limit.parallel_requests} requests at once; 0 remain: try again when one has ended",
        code="parallel_requests_exceeded",
        retry_after=1,
        headers={"x-aquilon-limit": f"{limit.scope}:{limit.id}"},
    )
