"""Quotas: how many messages and tokens, and what cost, each person may use in a day or a month.

A quota holds for everybody in an organization or in one of its workspaces; an exception
takes its place for one person. A person's use counts signed in and with their own keys.
Days and months are UTC's, as those of budgets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from aquilon.errors import ApiError, LimitKind, LimitReached
from aquilon.money.budgets import period_end, period_start
from aquilon.money.prices import cents, day
from aquilon.people.identity import Principal

QuotaUnit = Literal["messages", "tokens", "cost"]
NO_MESSAGES = ("title", "memreq")
"""How the ids of requests begin that a person did not write: titles, and what to remember."""
"""``messages``: answered requests to a model. ``tokens``: read and written. ``cost``: in millionths of a cent."""
UNITS: tuple[QuotaUnit, ...] = get_args(QuotaUnit)
QuotaPeriod = Literal["day", "month"]
PERIODS: tuple[QuotaPeriod, ...] = get_args(QuotaPeriod)

_KINDS: dict[QuotaUnit, LimitKind] = {"messages": "quota_messages", "tokens": "quota_tokens", "cost": "quota_cost"}


@dataclass(frozen=True, kw_only=True)
class PersonQuota:
    """None is unlimited, 0 lets nothing through."""

    id: str
    workspace_id: str
    """Empty for what a person uses in all workspaces together."""
    user_id: str
    """Whose exception it is; empty for everybody who has none."""
    period: QuotaPeriod
    messages: int | None
    tokens: int | None
    cost: int | None

    def limit_of(self, unit: QuotaUnit) -> int | None:
        return {"messages": self.messages, "tokens": self.tokens, "cost": self.cost}[unit]


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What one person may use of one unit of a quota."""

    quota: PersonQuota
    user_id: str
    unit: QuotaUnit
    limit: int

    def line(self, moment: int) -> tuple[str, int]:
        """The ledger's line that counts it in the period of this moment."""
        return (f"{self.quota.id}/{self.user_id}/{self.unit}", period_start(self.quota.period, moment))


def allowances(quotas: Iterable[PersonQuota], principal: Principal) -> list[Allowance]:
    """The allowances that apply to a caller: in the organization and in the workspace, for a day and a month."""
    applying: dict[tuple[str, QuotaPeriod], PersonQuota] = {}
    for quota in quotas:
        place = (quota.workspace_id, quota.period)
        concerns = quota.workspace_id in ("", principal.workspace_id) and quota.user_id in ("", principal.user_id)
        if concerns and (place not in applying or quota.user_id):
            applying[place] = quota
    return [
        Allowance(quota=quota, user_id=principal.user_id, unit=unit, limit=limit)
        for quota in applying.values()
        for unit in UNITS
        if (limit := quota.limit_of(unit)) is not None
    ]


def quota_exceeded(allowance: Allowance, *, remaining: int, needed: int, moment: int) -> ApiError:
    """Status 429. Says which quota, what remains and when it begins anew."""
    quota, remaining = allowance.quota, max(0, remaining)
    resets_at = period_end(quota.period, moment)
    assert resets_at is not None
    wait = max(1, resets_at - moment)
    place = "in this workspace " if quota.workspace_id else ""
    limit, left, least = (
        (f"{cents(number)} cents" if allowance.unit == "cost" else f"{number} {allowance.unit}")
        for number in (allowance.limit, remaining, needed)
    )
    needs = "" if allowance.unit == "messages" else f", and this request needs at least {least}"
    return ApiError(
        429,
        "rate_limit_error",
        f"Your quota {place}for this {quota.period} is {limit}; {left} remain{needs}: it begins anew on "
        f"{day(resets_at)} at 00:00 (UTC)",
        code="quota_exceeded",
        retry_after=wait,
        limit=LimitReached(
            _KINDS[allowance.unit], allowance.limit, remaining=remaining, needed=needed, scope="person", reset_in=wait
        ),
        headers={"x-should-retry": "false"},
        values={"from": day(resets_at)},
    )
