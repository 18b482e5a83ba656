"""Limits: requests and tokens a minute, and requests at once, of an organization, a workspace or a key.

A limit counts all models together, or one model alone. Limits of several subjects apply side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from aquilon.errors import ApiError, LimitKind, LimitReached
from aquilon.money.budgets import SubjectKind
from aquilon.people.identity import Principal
from aquilon.wording import counted

WINDOW_SECONDS = 60
Unit = Literal["requests", "tokens"]

MOST = 10**12
"""The highest number that a limit may have, per minute or at once."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """None means unlimited; 0 lets nothing through."""

    id: str
    subject_kind: SubjectKind
    subject_id: str
    """The organization's, workspace's or key's id."""
    model: str
    """A model's own name; empty for all models together."""
    requests_per_minute: int | None
    tokens_per_minute: int | None
    """Counts prompt tokens that the prefix cache did not have, and completion tokens."""
    parallel_requests: int | None

    def is_loosened_by(self, numbers: Mapping[str, int | None]) -> bool:
        """Whether these numbers, by field name, would let more through than the present ones."""
        return any(
            (present := getattr(self, name)) is not None and (number is None or number > present)
            for name, number in numbers.items()
        )

    @property
    def title(self) -> str:
        """For messages: ``key's limit``, or ``key's limit for the model 'm'``."""
        return f"{self.subject_kind}'s limit" + (f" for the model '{self.model}'" if self.model else "")

    @property
    def slots(self) -> tuple[str, int]:
        """The ledger's line that counts running requests."""
        return (self.id, 0)


@dataclass(frozen=True)
class Quota:
    """One number of a limit: requests or tokens a minute."""

    limit: Limit
    unit: Unit
    amount: int

    @property
    def key(self) -> str:
        return f"{self.limit.id}/{self.unit}"

    @property
    def kind(self) -> LimitKind:
        return "requests_per_minute" if self.unit == "requests" else "tokens_per_minute"


def quotas(limits: Iterable[Limit]) -> list[Quota]:
    quotas_of_limits = []
    for limit in limits:
        if limit.requests_per_minute is not None:
            quotas_of_limits.append(Quota(limit, "requests", limit.requests_per_minute))
        if limit.tokens_per_minute is not None:
            quotas_of_limits.append(Quota(limit, "tokens", limit.tokens_per_minute))
    return quotas_of_limits


def applies(subject_kind: SubjectKind, subject_id: str, principal: Principal) -> bool:
    """Whether a budget or limit of this organization, workspace or key applies to the caller."""
    ids = {
        "organization": principal.organization_id,
        "workspace": principal.workspace_id,
        "key": principal.api_key_id,
    }
    return subject_id == ids[subject_kind]


@dataclass(frozen=True)
class Window:
    """A sliding window counter: the present window, and the share of the previous one that still counts.

    The ``limits`` library's storages return these four numbers, in this order. Times are seconds.
    """

    previous: int
    previous_left: float
    """Until the previous window no longer counts."""
    current: int
    current_left: float
    """Until the present window no longer counts: over a minute, since it becomes the previous one first."""

    @property
    def used(self) -> int:
        return max(0, math.floor(self.previous * self.previous_left / WINDOW_SECONDS) + self.current)

    def wait(self, amount: int, cost: int) -> float:
        """Seconds until ``cost`` fits into ``amount`` if no other request comes; infinite if it never fits."""
        if cost > amount:
            return math.inf
        room = amount - cost + 1  # ``used`` is rounded down: anything below this fits
        if self.used < room:
            return 0.0
        if self.current < room and self.previous > 0:
            return self.previous_left - (room - self.current) * WINDOW_SECONDS / self.previous
        until_previous = max(0.0, self.current_left - WINDOW_SECONDS)
        return until_previous + WINDOW_SECONDS - room * WINDOW_SECONDS / max(1, self.current)

    @property
    def empty_in(self) -> float:
        """Seconds until the counter is back at 0."""
        if self.current > 0:
            return self.current_left
        return self.previous_left if self.previous > 0 else 0.0


def rate_exceeded(quota: Quota, window: Window, cost: int) -> ApiError:
    """Status 429. Says which limit, what remains and when to try again."""
    remaining = max(0, quota.amount - window.used)
    wait = window.wait(quota.amount, cost)
    needs = f", and this request needs {cost}" if quota.unit == "tokens" else ""
    message = f"The {quota.limit.title} is {quota.amount} {quota.unit} a minute; {remaining} remain{needs}"
    headers = {"x-aquilon-limit": f"{quota.limit.subject_kind}:{quota.limit.id}"}
    seconds = None if math.isinf(wait) else max(1, math.ceil(wait))
    reached = LimitReached(
        quota.kind,
        quota.amount,
        remaining=remaining,
        needed=cost,
        scope=quota.limit.subject_kind,
        model=quota.limit.model or None,
        reset_in=seconds,
    )
    if seconds is None:
        message += ", more than a whole minute's" if quota.unit == "tokens" else ""
        return ApiError(
            429,
            "rate_limit_error",
            message,
            code="rate_limit_exceeded",
            headers={**headers, "x-should-retry": "false"},
            limit=reached,
        )
    return ApiError(
        429,
        "rate_limit_error",
        f"{message}: try again in {counted(seconds, 'second')}",
        code="rate_limit_exceeded",
        retry_after=seconds,
        headers=headers,
        limit=reached,
    )


def all_slots_taken(limit: Limit) -> ApiError:
    """Status 429: the limit of requests at once is reached."""
    most = counted(limit.parallel_requests or 0, "request")
    return ApiError(
        429,
        "rate_limit_error",
        f"The {limit.title} is {most} at once; 0 remain: try again when one has ended",
        code="parallel_requests_exceeded",
        retry_after=1,
        headers={"x-aquilon-limit": f"{limit.subject_kind}:{limit.id}"},
        limit=LimitReached(
            "parallel_requests",
            limit.parallel_requests or 0,
            remaining=0,
            needed=1,
            scope=limit.subject_kind,
            model=limit.model or None,
        ),
    )
