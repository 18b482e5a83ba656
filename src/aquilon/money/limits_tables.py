"""The tables of limits, and of what API processes that share a database hold of budgets and slots."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned


class StoredLimit(Owned, Base):
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
    """An API process that shares the database. It is alive as long as others see it count on."""

    __tablename__ = "api_processes"

    id: Mapped[str] = mapped_column(primary_key=True)
    beats: Mapped[int]


class Hold(Owned, Base):
    """What an API process may give to its requests: of a budget's period in millionths of a cent, or of slots."""

    __tablename__ = "holds"

    process_id: Mapped[str] = mapped_column(ForeignKey("api_processes.id", ondelete="CASCADE"), primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    """A budget's or a limit's id."""
    starts_at: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The start of the budget's period, as in ``budget_spending``; 0 for slots."""
    organization_id: Mapped[str] = mapped_column(index=True)
    amount: Mapped[int]
