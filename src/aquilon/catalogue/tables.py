"""The tables of aliases and model notes. They are the server's, for all of its organizations."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Float
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Watched


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
    default_temperature: Mapped[float | None] = mapped_column(Float)
    deprecated_at: Mapped[int | None]
    retires_at: Mapped[int | None]
    replacement: Mapped[str | None]
    changed_at: Mapped[int]
