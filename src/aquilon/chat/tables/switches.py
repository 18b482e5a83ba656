"""What an organization has switched on or off in the chat."""

from __future__ import annotations

from sqlalchemy import Boolean, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned


class ChatSwitches(Owned, Base):
    """An organization without a row has the defaults of `switches.Switches`."""

    __tablename__ = "chat_switches"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    sharing: Mapped[bool] = mapped_column(Boolean)
    """Whether links to snapshots work."""
    preference_pairs: Mapped[bool] = mapped_column(Boolean)
    """Whether people may let their judgements of answers be kept for training."""
    changed_at: Mapped[int]
