"""Budgets: an amount that an organization, a workspace or a key may spend in a period, or once as prepaid credit.

All amounts are millionths of a cent, all times whole seconds since 1970; periods are UTC's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from aquilon.errors import ApiError, LimitReached
from aquilon.money.prices import cents, day

SubjectKind = Literal["organization", "workspace", "key"]
BudgetPeriod = Literal["day", "week", "month", "once"]
"""``once`` is prepaid credit, which never resets."""

BUDGET_PERIODS: tuple[BudgetPeriod, ...] = get_args(BudgetPeriod)


@dataclass(frozen=True, kw_only=True)
class Budget:
    id: str
    subject_kind: SubjectKind
    subject_id: str
    """The organization's, workspace's or key's id."""
    period: BudgetPeriod
    limit: int
    """Millionths of a cent."""


def period_start(period: BudgetPeriod, moment: int) -> int:
    """The first second of the period that contains ``moment``; 0 for ``once``. Weeks start on Monday."""
    if period == "once":
        return 0
    midnight = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        midnight -= timedelta(days=midnight.weekday())
    elif period == "month":
        midnight = midnight.replace(day=1)
    return int(midnight.timestamp())


def period_end(period: BudgetPeriod, moment: int) -> int | None:
    """The first second of the next period; None for ``once``."""
    if period == "once":
        return None
    start = datetime.fromtimestamp(period_start(period, moment), UTC)
    if period == "day":
        return int((start + timedelta(days=1)).timestamp())
    if period == "week":
        return int((start + timedelta(days=7)).timestamp())
    return int((start + timedelta(days=32)).replace(day=1).timestamp())


def budget_exceeded(budget: Budget, *, remaining: int, needed: int, moment: int) -> ApiError:
    """Status 429, as OpenAI answers when a quota is spent. Says which budget, what remains and when it resets."""
    resets_at = period_end(budget.period, moment)
    kind = "prepaid credit" if budget.period == "once" else f"budget for this {budget.period}"
    wait = None if resets_at is None else max(1, resets_at - moment)
    remedy = "ask an administrator to add credit" if resets_at is None else f"it starts anew on {day(resets_at)} (UTC)"
    return ApiError(
        429,
        "budget_exceeded",
        f"The {budget.subject_kind}'s {kind} is {cents(budget.limit)} cents; {cents(max(0, remaining))} remain, and "
        f"this request needs at least {cents(needed)} cents: {remedy}",
        code="budget_exceeded",
        retry_after=wait,
        limit=LimitReached(
            "budget", budget.limit, remaining=max(0, remaining), needed=needed, scope=budget.subject_kind, reset_in=wait
        ),
        headers={
            "x-should-retry": "false",
            "x-aquilon-budget": f"{budget.subject_kind}:{budget.id}",
            "x-aquilon-budget-limit": cents(budget.limit),
            "x-aquilon-budget-remaining": cents(max(0, remaining)),
            **({} if resets_at is None else {"x-aquilon-budget-reset": str(resets_at)}),
        },
    )
