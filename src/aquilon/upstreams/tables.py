"""The tables of upstreams. They belong to the server, not to one organization."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, CheckConstraint, Float, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Watched


class StoredUpstream(Watched, Base):
    __tablename__ = "upstreams"
    __table_args__ = (
        CheckConstraint("kind IN ('openai', 'azure', 'azure_ai', 'mistral', 'aquilon', 'anthropic')", name="kind"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    base_url: Mapped[str]
    sealed_key: Mapped[str | None]
    sealed_headers: Mapped[str | None]
    """JSON, sealed: a header may be a secret too."""
    api_version: Mapped[str | None]
    private: Mapped[bool] = mapped_column(Boolean)
    connect_seconds: Mapped[float] = mapped_column(Float)
    first_token_seconds: Mapped[float] = mapped_column(Float)
    between_seconds: Mapped[float] = mapped_column(Float)
    total_seconds: Mapped[float] = mapped_column(Float)
    enabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[int]


class StoredUpstreamModel(Watched, Base):
    """A model that an upstream provides."""

    __tablename__ = "upstream_models"
    __table_args__ = (CheckConstraint("weight >= 0", name="weight"),)

    upstream_id: Mapped[str] = mapped_column(ForeignKey("upstreams.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    remote: Mapped[str]
    max_context: Mapped[int]
    capabilities: Mapped[list[str]] = mapped_column(JSON(none_as_null=True))
    weight: Mapped[int]


class StoredFallback(Watched, Base):
    """The fall-backs of a model, in order, which answer when none of its upstreams can."""

    __tablename__ = "upstream_fallbacks"

    model: Mapped[str] = mapped_column(primary_key=True)
    models: Mapped[list[str]] = mapped_column(JSON(none_as_null=True))


class UpstreamsVersion(Base):
    """One row with a text that is different after each change, so that other processes notice."""

    __tablename__ = "upstreams_version"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str]
