"""What people think of answers."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned


class Feedback(Owned, Base):
    """One person's judgement of one answer."""

    __tablename__ = "feedback"
    __table_args__ = (
        Index("ix_feedback_organization_id", "organization_id", "consent"),
        CheckConstraint("rating IN ('up', 'down')", name="rating"),
    )

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    rating: Mapped[str]
    reason: Mapped[str | None]
    """One of `feedback.REASONS`."""
    comment: Mapped[str | None]
    consent: Mapped[bool] = mapped_column(Boolean)
    """Whether the person agrees that the answer is used for training, beside another one to the same question."""
    created_at: Mapped[int]
    updated_at: Mapped[int]
