"""The tables of what an organization sets for its chat, and of its announcements."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned, Watched


class StoredChatSettings(Owned, Watched, Base):
    __tablename__ = "chat_settings"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    default_model: Mapped[str | None]
    """A model's name or alias; None is the server's default."""
    instructions: Mapped[str]
    """What every conversation of the page begins with; may be empty."""
    preference_pairs: Mapped[bool] = mapped_column(Boolean)
    """Whether people may let their judgements of answers be kept for training."""
    changed_at: Mapped[int]


class Announcement(Owned, Watched, Base):
    """Plain text that the organization's people see on top of the chat and the console for a while."""

    __tablename__ = "announcements"
    __table_args__ = (
        CheckConstraint("level IN ('info', 'warning')", name="level"),
        Index("ix_announcements_organization_id", "organization_id", "starts_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    text: Mapped[str]
    level: Mapped[str]
    dismissible: Mapped[bool] = mapped_column(Boolean)
    """Whether a reader can put it away."""
    starts_at: Mapped[int]
    ends_at: Mapped[int | None]
    """None shows it until it is deleted."""
    created_at: Mapped[int]
