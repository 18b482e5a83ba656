"""The tables of passwords, invitations and single sign-on."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.people.tables import ROLE_CHECK
from aquilon.storage.base import Base, Owned


class Password(Owned, Base):
    __tablename__ = "passwords"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str]
    """Argon2's own text form, parameters and salt included."""
    set_at: Mapped[int]


class Invitation(Owned, Base):
    """Whoever has its token may join, as often as it allows."""

    __tablename__ = "invitations"
    __table_args__ = (CheckConstraint(ROLE_CHECK, name="role"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    workspace_ids: Mapped[list[str]]
    note: Mapped[str]
    """For whoever made it: whom it is for."""
    created_by: Mapped[str]
    """A user's id, or ``operator``."""
    created_at: Mapped[int]
    expires_at: Mapped[int]
    uses: Mapped[int]
    """How many may join by it."""
    used: Mapped[int]
    revoked_at: Mapped[int | None]


class IdentityProvider(Owned, Base):
    """An OpenID Connect provider whose people belong to one organization."""

    __tablename__ = "identity_providers"
    __table_args__ = (CheckConstraint(f"newcomer_role IS NULL OR newcomer_{ROLE_CHECK}", name="newcomer_role"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(unique=True)
    """In the addresses of its routes: ``/auth/oidc/NAME/callback``."""
    label: Mapped[str]
    """On the sign-in page."""
    issuer: Mapped[str]
    client_id: Mapped[str]
    sealed_secret: Mapped[str | None]
    """`storage.sealing`; None for a public client."""
    scopes: Mapped[list[str]]
    email_domains: Mapped[list[str]]
    """Of newcomers; none is any."""
    newcomer_role: Mapped[str | None]
    """None lets nobody in who has no account or invitation."""
    links_by_email: Mapped[bool] = mapped_column(Boolean)
    """Whether an account that has the provider's verified address already is taken for the same person."""
    created_at: Mapped[int]
    disabled_at: Mapped[int | None]


class Identity(Owned, Base):
    """What a provider calls one of our users: the subject, which is never given to somebody else."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("provider_id", "user_id"),)

    provider_id: Mapped[str] = mapped_column(ForeignKey("identity_providers.id", ondelete="CASCADE"), primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    email: Mapped[str | None]
    """As the provider verified it when the identity was added."""
    created_at: Mapped[int]
