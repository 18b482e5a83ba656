"""Shared snapshots of conversations."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned


class Share(Owned, Base):
    """A copy of a conversation's messages as they were at one moment, which everybody with its link may read."""

    __tablename__ = "shares"
    __table_args__ = (Index("ix_shares_organization_id", "organization_id", "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    """The person who shared it."""
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    """Deleted with the conversation. Never shown to a reader."""
    token_hash: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str | None]
    shared_by: Mapped[str | None]
    """The person's name, if the link shows it."""
    messages: Mapped[int]
    snapshot: Mapped[bytes] = mapped_column(LargeBinary)
    """JSON: a list of `snapshots.SharedMessage`."""
    created_at: Mapped[int]
    expires_at: Mapped[int | None] = mapped_column(index=True)
    """None until it is revoked."""
