"""The tables. A change here goes with a new file under ``migrations/versions``; a test holds the two together.

Times are whole seconds since 1970, so that they read the same from every database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a class attribute
        int: BigInteger,
        str: String,
        list[str]: JSON(none_as_null=True),
        dict[str, Any]: JSON,
    }


class Owned:
    """A table whose rows belong to an organization: `storage.scope` alone makes queries over it."""

    organization_id: Mapped[str]


ROLE_CHECK = "role IN ('owner', 'administrator', 'developer', 'member', 'billing')"


class Organization(Base):
    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[int]
    operates: Mapped[bool] = mapped_column(Boolean, default=False)
    """Its owners and administrators run the server: models, upstreams, prices, organizations."""
    password_sign_in: Mapped[bool] = mapped_column(Boolean, default=True)
    """False where its people shall come by single sign-on alone (or a one-time link)."""
    disabled_at: Mapped[int | None]
    """Nobody in it signs in, and its keys are refused."""


class User(Owned, Base):
    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        UniqueConstraint("organization_id", "email"),
        CheckConstraint(ROLE_CHECK, name="role"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    email: Mapped[str | None] = mapped_column(index=True)
    """In lower case; signs in wherever the name does."""
    email_vouched: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether an administrator or an identity provider said that it is theirs, not they alone."""
    role: Mapped[str]
    created_at: Mapped[int]
    disabled_at: Mapped[int | None]


class Workspace(Owned, Base):
    """Where an organization's keys, usage and budgets are kept apart from each other."""

    __tablename__ = "workspaces"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    created_at: Mapped[int]
    archived_at: Mapped[int | None]


class WorkspaceMember(Owned, Base):
    """A user of the organization in one of its workspaces."""

    __tablename__ = "workspace_members"
    __table_args__ = (CheckConstraint(ROLE_CHECK, name="role"),)

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    role: Mapped[str]
    created_at: Mapped[int]


class Session(Base):
    """A browser that is signed in."""

    __tablename__ = "sessions"

    id_sha256: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    """Names it in lists; opens nothing."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspaces.id", ondelete="SET NULL"))
    """The one that was chosen; None is the first."""
    method: Mapped[str]
    """How it began: ``link``, ``password``, ``invitation`` or ``oidc:NAME``."""
    user_agent: Mapped[str]
    """What the browser said it is, cut short."""
    address: Mapped[str]
    created_at: Mapped[int]
    last_used_at: Mapped[int]
    expires_at: Mapped[int] = mapped_column(index=True)


class LoginLink(Base):
    """A link that signs its bearer in once."""

    __tablename__ = "login_links"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[int]
    expires_at: Mapped[int]
    used_at: Mapped[int | None]


class ApiKey(Owned, Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    """Of its newest secret."""
    scopes: Mapped[list[str]]
    allowed_models: Mapped[list[str] | None]
    """None is every model."""
    allowed_addresses: Mapped[list[str] | None]
    """Addresses and networks such as ``192.0.2.0/24``; None is any."""
    created_at: Mapped[int]
    expires_at: Mapped[int | None]
    blocked_at: Mapped[int | None]
    """Refused until it is unblocked; ``revoked_at`` is for ever."""
    revoked_at: Mapped[int | None]
    last_used_at: Mapped[int | None]


class ApiKeySecret(Owned, Base):
    """What opens a key: one secret, or two for a while after a rotation."""

    __tablename__ = "api_key_secrets"

    secret_sha256: Mapped[str] = mapped_column(primary_key=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[int]
    expires_at: Mapped[int | None]


class AuditEntry(Owned, Base):
    """Who changed what. Triggers refuse every change and every deletion of a row."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_organization_id", "organization_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    organization_id: Mapped[str]
    at: Mapped[int]
    actor_kind: Mapped[str]
    """``user``, ``api_key``, or ``operator``: the command line on the server's machine."""
    actor_id: Mapped[str | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    """Such as ``api_key.created``."""
    object_id: Mapped[str]
    object_name: Mapped[str]
    detail: Mapped[dict[str, Any]]
    """What was set, never a secret."""
