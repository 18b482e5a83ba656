"""What people let models know about them."""

from __future__ import annotations

from sqlalchemy import Boolean, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned, index_of_some


def _set(table: str, column: str, *more: str) -> Index:
    """An index of the rows in which the column is set."""
    return index_of_some(f"ix_{table}_{column}", column, *more, where=f"{column} IS NOT NULL")


class MemorySettings(Owned, Base):
    """A person without a row has the memory turned off."""

    __tablename__ = "memory_settings"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    enabled: Mapped[bool] = mapped_column(Boolean)
    proposes: Mapped[bool] = mapped_column(Boolean)
    """Whether models may propose entries."""
    key_ids: Mapped[list[str]]
    """The person's API keys that may use the memory."""
    keys_allowed_at: Mapped[int]
    """A key that got another secret later may not."""
    changed_at: Mapped[int]


class Memory(Owned, Base):
    """An entry: one person's, seen by nobody else."""

    __tablename__ = "memories"
    __table_args__ = (
        Index("ix_memories_organization_id", "organization_id", "user_id", "id"),
        Index("ix_memories_user_id", "user_id"),
        _set("memories", "project_id"),
        _set("memories", "assistant_id"),
        _set("memories", "conversation_id"),
        _set("memories", "item_id"),
        _set("memories", "expires_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    text: Mapped[str]
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    """The project in whose conversations it is used; None for everywhere."""
    assistant_id: Mapped[str | None] = mapped_column(ForeignKey("assistants.id", ondelete="CASCADE"))
    """The assistant whose answers it is used in; None for all."""
    conversation_id: Mapped[str | None] = mapped_column(ForeignKey("conversations.id", ondelete="SET NULL"))
    item_id: Mapped[str | None] = mapped_column(ForeignKey("conversation_items.id", ondelete="SET NULL"))
    """The message that it comes from."""
    embedding_model: Mapped[str | None]
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    """As `libraries.vectors.packed` writes it; None while no model has read the text."""
    created_at: Mapped[int]
    updated_at: Mapped[int]
    expires_at: Mapped[int | None]
    last_used_at: Mapped[int | None]
    uses: Mapped[int]
    """In how many answers it was used."""


class MemoryProposal(Owned, Base):
    """An entry that a model proposes. It is used in no answer, and goes with its conversation."""

    __tablename__ = "memory_proposals"
    __table_args__ = (
        Index("ix_memory_proposals_organization_id", "organization_id", "user_id", "id"),
        Index("ix_memory_proposals_user_id", "user_id"),
        _set("memory_proposals", "project_id"),
        Index("ix_memory_proposals_conversation_id", "conversation_id"),
        Index("ix_memory_proposals_item_id", "item_id"),
        Index("ix_memory_proposals_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    text: Mapped[str]
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    """The project of its conversation."""
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    item_id: Mapped[str] = mapped_column(ForeignKey("conversation_items.id", ondelete="CASCADE"))
    embedding_model: Mapped[str | None]
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[int]


class MemoryUse(Owned, Base):
    """That an entry was given to the model of an answer."""

    __tablename__ = "memory_uses"
    __table_args__ = (Index("ix_memory_uses_memory_id", "memory_id"), Index("ix_memory_uses_user_id", "user_id"))

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    memory_id: Mapped[str] = mapped_column(ForeignKey("memories.id", ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[str]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
