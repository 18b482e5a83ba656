"""The tables of usage and money. Amounts are millionths of a cent, times whole seconds since 1970.

Usage outlives what it refers to: a row keeps the id of a deleted key or workspace.
"""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned, Watched


class StoredUsageEvent(Owned, Base):
    """One request. Pruned after a while; its part of ``UsageTotal`` stays."""

    __tablename__ = "usage_events"
    __table_args__ = (
        Index("ix_usage_events_organization_id", "organization_id", "ended_at"),
        Index("ix_usage_events_user_id", "organization_id", "user_id", "ended_at"),
    )

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
    """Whether the request was a line of a batch job."""
    error_code: Mapped[str | None]


class UsageTotal(Owned, Base):
    """The sum of an hour or a day for one key, user and model, written in the transaction of its events."""

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
    """Of ``requests``, those that were lines of batch jobs."""
    prompt_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    cost: Mapped[int]


class StoredPrice(Watched, Base):
    """Cents for a million tokens of a model; applies until the model's next price starts."""

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
    training: Mapped[int]
    """For a token that fine-tuning trains on."""
    created_at: Mapped[int]


class StoredBudget(Owned, Watched, Base):
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
    """What was spent of a budget in the period that starts at ``starts_at``, which is 0 for prepaid credit."""

    __tablename__ = "budget_spending"

    budget_id: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organization_id: Mapped[str] = mapped_column(index=True)
    spent: Mapped[int]


class StoredLimit(Owned, Watched, Base):
    __tablename__ = "limits"
    __table_args__ = (
        UniqueConstraint("scope", "scope_id", "model"),
        CheckConstraint("scope IN ('organization', 'workspace', 'key')", name="scope"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    scope: Mapped[str]
    scope_id: Mapped[str]
    model: Mapped[str]
    """Empty for all models together."""
    requests_per_minute: Mapped[int | None]
    tokens_per_minute: Mapped[int | None]
    parallel_requests: Mapped[int | None]
    created_at: Mapped[int]


class ApiProcess(Base):
    """An API process that shares the database. It is alive as long as its ``beats`` grow."""

    __tablename__ = "api_processes"

    id: Mapped[str] = mapped_column(primary_key=True)
    beats: Mapped[int]


class Hold(Owned, Base):
    """What an API process may give to its requests: millionths of a cent of a budget's period, or slots."""

    __tablename__ = "holds"

    process_id: Mapped[str] = mapped_column(ForeignKey("api_processes.id", ondelete="CASCADE"), primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    """A budget's or a limit's id."""
    starts_at: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The start of the budget's period, as in ``budget_spending``; 0 for slots."""
    organization_id: Mapped[str] = mapped_column(index=True)
    amount: Mapped[int]


class OpenCharge(Owned, Base):
    """What an answer that isn't stored owes if the process that writes it dies. It is deleted with its usage event."""

    __tablename__ = "open_charges"

    request_id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    process_id: Mapped[str]
    event: Mapped[str]
    """JSON: the `UsageEvent` to record then."""


class StoredPersonQuota(Owned, Watched, Base):
    """How much each person may use in a day or a month; what they have used is in ``budget_spending``."""

    __tablename__ = "person_quotas"
    __table_args__ = (
        UniqueConstraint("organization_id", "workspace_id", "user_id", "period"),
        CheckConstraint("period IN ('day', 'month')", name="period"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    """Empty for what a person uses in all workspaces together."""
    user_id: Mapped[str]
    """Empty for everybody who has no exception."""
    period: Mapped[str]
    messages: Mapped[int | None]
    tokens: Mapped[int | None]
    cost: Mapped[int | None]
    created_at: Mapped[int]
