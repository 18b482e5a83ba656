"""The tables of comparisons. Times are whole seconds since 1970; JSON is text that `msgspec` reads."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned


class StoredComparison(Owned, Base):
    """Two sides that answered one question. The answers themselves are not stored."""

    __tablename__ = "comparisons"
    __table_args__ = (
        Index("ix_comparisons_organization_id", "organization_id", "workspace_id", "created_at"),
        CheckConstraint("visibility IN ('workspace', 'user')", name="visibility"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    visibility: Mapped[str]
    """``user``: only its user sees it, signed in."""
    blind: Mapped[bool] = mapped_column(Boolean)
    """Whether a person sees the sides' models only after voting."""
    answered: Mapped[bool] = mapped_column(Boolean)
    """Whether both sides answered to the end."""
    left_model: Mapped[str]
    right_model: Mapped[str]
    left_side: Mapped[str]
    """JSON: a `comparisons.Side`."""
    right_side: Mapped[str]
    prompt: Mapped[str | None]
    """JSON: the question's text; None without the person's consent."""
    created_at: Mapped[int]


class ComparisonVote(Owned, Base):
    """A person's judgement of a comparison: one, which may be changed."""

    __tablename__ = "comparison_votes"
    __table_args__ = (CheckConstraint("choice IN ('left', 'right', 'tie', 'both_bad')", name="choice"),)

    comparison_id: Mapped[str] = mapped_column(ForeignKey("comparisons.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    organization_id: Mapped[str] = mapped_column(index=True)
    choice: Mapped[str]
    blind: Mapped[bool] = mapped_column(Boolean)
    """Whether the person didn't know the sides' models. A vote that is changed afterwards is no longer blind."""
    created_at: Mapped[int]
    changed_at: Mapped[int]
