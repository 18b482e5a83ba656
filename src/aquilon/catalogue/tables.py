"""The tables of aliases and model notes, the server's for all of its organizations, and of fine-tuned models."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Float, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned, Watched


class StoredAlias(Watched, Base):
    __tablename__ = "model_aliases"
    __table_args__ = (CheckConstraint("share_percent >= 0 AND share_percent < 100", name="share_percent"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str]
    former: Mapped[str | None]
    share_target: Mapped[str | None]
    share_percent: Mapped[int]
    switch_target: Mapped[str | None]
    switch_at: Mapped[int | None]
    changed_at: Mapped[int]


class StoredModelNote(Watched, Base):
    """None means that the operator says nothing."""

    __tablename__ = "model_notes"
    __table_args__ = (CheckConstraint("access IN ('open', 'commercial')", name="access"),)

    model: Mapped[str] = mapped_column(primary_key=True)
    access: Mapped[str | None]
    description: Mapped[str | None]
    license: Mapped[str | None]
    languages: Mapped[list[str] | None]
    default_temperature: Mapped[float | None] = mapped_column(Float)
    deprecated_at: Mapped[int | None]
    retires_at: Mapped[int | None]
    replacement: Mapped[str | None]
    changed_at: Mapped[int]


class FineTunedModel(Owned, Watched, Base):
    """A model that a fine-tuning job made for its organization: an adapter on one of the store's models."""

    __tablename__ = "fine_tuned_models"

    name: Mapped[str] = mapped_column(primary_key=True)
    """``ft:BASE:ORGANIZATION:SUFFIX:ID``, by which clients ask it."""
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    base: Mapped[str]
    """The store's name of the model that the adapter changes."""
    job_id: Mapped[str]
    folder: Mapped[str]
    """Its folder's name, below `Settings.fine_tuned_folder`."""
    size_bytes: Mapped[int]
    trained_on: Mapped[list[str]]
    """The ids of the files that it learnt from."""
    title: Mapped[str | None]
    """A name to show, which its organization gives."""
    description: Mapped[str | None]
    archived: Mapped[bool] = mapped_column(Boolean)
    """An archived model keeps its files and answers nothing."""
    created_at: Mapped[int]
