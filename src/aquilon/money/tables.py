"""The tables of usage and money. Amounts are millionths of a cent, times whole seconds since 1970.

Usage outlives what it refers to: a row keeps the ids of a key or workspace that is gone.
"""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned


class StoredUsageEvent(Owned, Base):
    """One request. Pruned after a while; what it adds to ``UsageTotal`` stays."""

    __tablename__ = "usage_events"
    __table_args__ = (Index("ix_usage_events_organization_id", "organization_id", "ended_at"),)

    request_id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    workspace_id: Mapped[str]
    user_id: Mapped[str]
    api_key_id: Mapped[str | None]
    model: Mapped[str]
    ended_at: Mapped[int] = mapped_column(index=True)
    prompt_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    outcome: Mapped[str]
    latency_ms: Mapped[int]
    first_token_ms: Mapped[int | None]
    cost: Mapped[int]
    price_id: Mapped[str | None]
    batch: Mapped[bool] = mapped_column(Boolean)
    """A line of a batch job."""


class UsageTotal(Owned, Base):
    """An hour or a day of one key, user and model: written in the transaction of the events that it sums up."""

    __tablename__ = "usage_totals"
    __table_args__ = (
        CheckConstraint("span IN ('hour', 'day')", name="span"),
        Index("ix_usage_totals_organization_id", "organization_id", "span", "starts_at"),
    )

    span: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organization_id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)
    api_key_id: Mapped[str] = mapped_column(primary_key=True)
    """Empty for requests that came with a session."""
    model: Mapped[str] = mapped_column(primary_key=True)
    requests: Mapped[int]
    batch_requests: Mapped[int]
    """Those of them that were lines of batch jobs."""
    prompt_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    cost: Mapped[int]


class StoredPrice(Base):
    """Cents for a million tokens of a model; holds until the model's next price starts."""

    __tablename__ = "prices"
    __table_args__ = (UniqueConstraint("model", "starts_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    starts_at: Mapped[int]
    input: Mapped[int]
    cached_input: Mapped[int]
    output: Mapped[int]
    batch_discount: Mapped[int]
    """Percent."""
    created_at: Mapped[int]


class StoredBudget(Owned, Base):
    __tablename__ = "budgets"
    __table_args__ = (
        UniqueConstraint("scope", "scope_id", "period"),
        CheckConstraint("scope IN ('organization', 'workspace', 'key')", name="scope"),
        CheckConstraint("period IN ('day', 'week', 'month', 'once')", name="period"),
        CheckConstraint("amount >= 0", name="amount"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    scope: Mapped[str]
    scope_id: Mapped[str]
    period: Mapped[str]
    amount: Mapped[int]
    created_at: Mapped[int]


class BudgetSpending(Owned, Base):
    """What was spent of a budget in the period that starts then; 0 for prepaid credit's only one."""

    __tablename__ = "budget_spending"

    budget_id: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organization_id: Mapped[str] = mapped_column(index=True)
    spent: Mapped[int]
