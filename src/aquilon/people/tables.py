"""The tables. A change here needs a new file under ``migrations/versions``; a test compares the two.

Times are whole seconds since 1970, which every database stores alike.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned, Watched

ROLE_CHECK = "role IN ('owner', 'administrator', 'developer', 'member', 'billing')"


class Organization(Watched, Base):
    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[int]
    operates: Mapped[bool] = mapped_column(Boolean, default=False)
    """Its owners and administrators run the server: models, upstreams, prices, organizations."""
    password_sign_in: Mapped[bool] = mapped_column(Boolean, default=True)
    """False if its people sign in only by single sign-on or a one-time link."""
    vat_number: Mapped[str | None]
    """As its statements show it."""
    vat_basis_points: Mapped[int | None]
    """Hundredths of a percent of VAT on its statements; None for the rate of the settings."""
    disabled_at: Mapped[int | None]
    """Set: nobody in it can sign in, and its keys are refused."""


class User(Owned, Watched, Base):
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
    """In lower case; its user may sign in with it or with the name."""
    email_vouched: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether an administrator or an identity provider confirmed the address, not its user alone."""
    role: Mapped[str]
    created_at: Mapped[int]
    disabled_at: Mapped[int | None]


class Workspace(Owned, Watched, Base):
    """A part of an organization with separate keys, usage and budgets."""

    __tablename__ = "workspaces"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    created_at: Mapped[int]
    archived_at: Mapped[int | None]


class WorkspaceMember(Owned, Watched, Base):
    """A user of the organization in one of its workspaces."""

    __tablename__ = "workspace_members"
    __table_args__ = (CheckConstraint(ROLE_CHECK, name="role"),)

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    role: Mapped[str]
    created_at: Mapped[int]


class Session(Watched, Base):
    """A browser that is signed in."""

    __tablename__ = "sessions"

    id_sha256: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    """Names the session in lists; not a secret."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspaces.id", ondelete="SET NULL"))
    """The workspace that the user chose; None is the first."""
    method: Mapped[str]
    """How the session began: ``link``, ``password``, ``invitation`` or ``oidc:NAME``."""
    user_agent: Mapped[str]
    """The browser's ``User-Agent``, shortened."""
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


class ApiKey(Owned, Watched, Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    """The first characters of its newest secret."""
    scopes: Mapped[list[str]]
    allowed_models: Mapped[list[str] | None]
    """None allows every model."""
    allowed_addresses: Mapped[list[str] | None]
    """Addresses and networks such as ``192.0.2.0/24``; None allows any."""
    created_at: Mapped[int]
    expires_at: Mapped[int | None]
    blocked_at: Mapped[int | None]
    """The key is refused until it is unblocked; ``revoked_at`` is final."""
    revoked_at: Mapped[int | None]
    last_used_at: Mapped[int | None]


class ApiKeySecret(Owned, Watched, Base):
    """A secret of a key. A key has one, or two for a while after a rotation."""

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
    """The values that were set, never a secret."""


class Password(Owned, Base):
    __tablename__ = "passwords"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str]
    """Argon2's own text form, parameters and salt included."""
    set_at: Mapped[int]


class Invitation(Owned, Base):
    """People who have its token may join, at most ``uses`` of them."""

    __tablename__ = "invitations"
    __table_args__ = (CheckConstraint(ROLE_CHECK, name="role"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    workspace_ids: Mapped[list[str]]
    note: Mapped[str]
    """A reminder for its creator of whom it is for."""
    created_by: Mapped[str]
    """A user's id, or ``operator``."""
    created_at: Mapped[int]
    expires_at: Mapped[int]
    uses: Mapped[int]
    """How many people may join with it."""
    used: Mapped[int]
    revoked_at: Mapped[int | None]


class IdentityProvider(Owned, Base):
    """An OpenID Connect provider whose people belong to one organization."""

    __tablename__ = "identity_providers"
    __table_args__ = (CheckConstraint(f"newcomer_role IS NULL OR newcomer_{ROLE_CHECK}", name="newcomer_role"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(unique=True)
    """Part of its routes: ``/auth/oidc/NAME/callback``."""
    label: Mapped[str]
    """Its name on the sign-in page."""
    issuer: Mapped[str]
    client_id: Mapped[str]
    sealed_secret: Mapped[str | None]
    """Sealed by `storage.sealing`; None for a public client."""
    scopes: Mapped[list[str]]
    email_domains: Mapped[list[str]]
    """Domains of newcomers' verified addresses; an empty list allows any."""
    newcomer_role: Mapped[str | None]
    """The role of people who sign in without an account or invitation; None refuses them."""
    links_by_email: Mapped[bool] = mapped_column(Boolean)
    """Whether an account with the provider's verified address is linked as the same person's."""
    created_at: Mapped[int]
    disabled_at: Mapped[int | None]


class Identity(Owned, Base):
    """The subject under which a provider knows one of our users. A provider never gives it to another person."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("provider_id", "user_id"),)

    provider_id: Mapped[str] = mapped_column(ForeignKey("identity_providers.id", ondelete="CASCADE"), primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    email: Mapped[str | None]
    """The address that the provider had verified when the identity was added."""
    created_at: Mapped[int]


class OpenWaitingList(Owned, Base):
    """An organization that visitors may ask to join."""

    __tablename__ = "open_waiting_lists"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    opened_at: Mapped[int]


class WaitingListEntry(Owned, Base):
    """Somebody who asked to join, and has no account."""

    __tablename__ = "waiting_list"
    __table_args__ = (
        UniqueConstraint("organization_id", "email"),
        CheckConstraint("status IN ('waiting', 'admitted', 'refused')", name="status"),
        Index("ix_waiting_list_organization_id", "organization_id", "status", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    email: Mapped[str]
    """In lower case; nobody has confirmed it."""
    reason: Mapped[str]
    """Why they want to join; may be empty."""
    status: Mapped[str]
    created_at: Mapped[int]
    decided_at: Mapped[int | None] = mapped_column(index=True)
    invitation_id: Mapped[str | None]


class AccessRule(Owned, Watched, Base):
    """Who may use a model or a part of the chat; without a rule, everybody may."""

    __tablename__ = "access_rules"
    __table_args__ = (CheckConstraint("kind IN ('model', 'feature')", name="kind"),)

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    """A model's own name, or one of `access_rules.FEATURES`."""
    roles: Mapped[list[str] | None]
    """Roles in the organization or the workspace; None allows any."""
    workspace_ids: Mapped[list[str] | None]
    """None allows any."""
    changed_at: Mapped[int]


class AccountDeletion(Owned, Base):
    """An account that is being deleted. The row goes with the user, when nothing of the person is left."""

    __tablename__ = "account_deletions"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    requested_at: Mapped[int]
