"""Assistants: what a model is told, may call and reads, under a name; each change is a version."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned


class StoredAssistant(Owned, Base):
    __tablename__ = "assistants"
    __table_args__ = (
        Index("ix_assistants_organization_id", "organization_id", "id"),
        CheckConstraint("visibility IN ('workspace', 'user')", name="visibility"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    """Ids order by time."""
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    user_id: Mapped[str]
    by_key: Mapped[bool] = mapped_column(Boolean)
    """Whether a key created it: then everybody who sees it may change it."""
    visibility: Mapped[str]
    """As a conversation's."""
    in_chat: Mapped[bool] = mapped_column(Boolean)
    """Whether the chat page offers it."""
    name: Mapped[str]
    """The present version's."""
    version: Mapped[int]
    """The present version's number; not the last one's after a return to an earlier one."""
    picture: Mapped[str | None]
    """The SHA-256 of its picture."""
    created_at: Mapped[int]
    updated_at: Mapped[int]


class AssistantVersion(Owned, Base):
    __tablename__ = "assistant_versions"

    assistant_id: Mapped[str] = mapped_column(ForeignKey("assistants.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organization_id: Mapped[str]
    content: Mapped[str]
    """JSON: an `assistants.Assistant`."""
    message: Mapped[str | None]
    """Why it was changed."""
    created_at: Mapped[int]


class AssistantAlias(Owned, Base):
    """A name for a version, such as "production"."""

    __tablename__ = "assistant_aliases"

    assistant_id: Mapped[str] = mapped_column(ForeignKey("assistants.id", ondelete="CASCADE"), primary_key=True)
    alias: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    version: Mapped[int]
    created_at: Mapped[int]
    updated_at: Mapped[int]


class AssistantPicture(Owned, Base):
    """In the database, so that each machine and each backup has it, and it is deleted with its assistant."""

    __tablename__ = "assistant_pictures"

    assistant_id: Mapped[str] = mapped_column(ForeignKey("assistants.id", ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[str]
    media_type: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)
