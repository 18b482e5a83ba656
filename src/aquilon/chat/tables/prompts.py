"""Saved prompts."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned


class StoredPrompt(Owned, Base):
    """A request to a model that is sent again and again, under a name."""

    __tablename__ = "prompts"
    __table_args__ = (
        Index("ix_prompts_organization_id", "organization_id", "id"),
        Index("ix_prompts_user_id", "user_id"),
        CheckConstraint("visibility IN ('workspace', 'user')", name="visibility"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    visibility: Mapped[str]
    """As a conversation's."""
    name: Mapped[str]
    messages: Mapped[str]
    """As JSON: a list of objects with ``role`` and ``content``."""
    settings: Mapped[str]
    """As JSON: the request's other fields."""
    created_at: Mapped[int]
    updated_at: Mapped[int]
