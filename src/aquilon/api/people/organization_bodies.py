"""An organization's objects as the administration API and the command line show them. Times are unix seconds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from aquilon.people.identity import KeyScope
from aquilon.people.tables import ApiKey, AuditEntry, Organization, User, Workspace, WorkspaceMember


class OrganizationBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization"
    id: str
    name: str
    password_sign_in: bool
    """False if its people sign in only with its identity provider or a one-time link."""
    vat_number: str | None
    """As its statements show it."""
    vat_percent: str | None
    """The rate of VAT on its statements, such as ``20`` or ``5.5``; null for the rate of the server's settings."""
    operates: bool
    """Whether it runs the server."""
    created_at: int
    disabled_at: int | None


class WorkspaceBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.workspace"
    id: str
    name: str
    created_at: int
    archived_at: int | None
    status: str
    """``active`` or ``archived``."""


class UserBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.user"
    id: str
    name: str
    email: str | None
    role: str
    added_at: int
    disabled_at: int | None


class NewUserBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.user"
    id: str
    name: str
    email: str | None
    role: str
    login_token: str
    """Signs in once within a day, as ``/#login=TOKEN`` on the page or in ``POST /auth/login``. Shown only once."""


class MemberBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.workspace.user"
    id: str
    name: str
    role: str
    """In the workspace."""
    added_at: int


class ApiKeyBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.api_key"
    id: str
    name: str
    prefix: str
    workspace_id: str
    user_id: str
    user_name: str | None = None
    """Set in lists only."""
    scopes: list[KeyScope]
    allowed_models: list[str] | None
    """None allows every model."""
    allowed_addresses: list[str] | None
    """None allows every address."""
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    blocked: bool
    revoked: bool


class NewApiKeyBody(ApiKeyBody, frozen=True, kw_only=True):
    value: str
    """The secret. Shown only once."""


class AuditActor(msgspec.Struct, frozen=True):
    type: str
    """``user``, ``api_key``, or ``operator``: the command line on the server's machine."""
    id: str | None
    name: str


class AuditTarget(msgspec.Struct, frozen=True):
    id: str
    name: str


class AuditBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.audit_log"
    id: str
    type: str
    """Such as ``api_key.created``."""
    effective_at: int
    actor: AuditActor
    target: AuditTarget
    detail: dict[str, Any]


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    object: str
    id: str
    deleted: bool = True


def organization_body(row: Organization) -> OrganizationBody:
    return OrganizationBody(
        id=row.id,
        name=row.name,
        password_sign_in=row.password_sign_in,
        vat_number=row.vat_number,
        vat_percent=None if row.vat_basis_points is None else f"{Decimal(row.vat_basis_points) / 100:f}",
        operates=row.operates,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def workspace_body(row: Workspace) -> WorkspaceBody:
    status = "active" if row.archived_at is None else "archived"
    return WorkspaceBody(
        id=row.id, name=row.name, created_at=row.created_at, archived_at=row.archived_at, status=status
    )


def user_body(row: User) -> UserBody:
    return UserBody(
        id=row.id,
        name=row.name,
        email=row.email,
        role=row.role,
        added_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def member_body(row: WorkspaceMember, user: User) -> MemberBody:
    return MemberBody(id=user.id, name=user.name, role=row.role, added_at=row.created_at)


def api_key_body(row: ApiKey, user_name: str | None = None) -> ApiKeyBody:
    return ApiKeyBody(**_api_key(row), user_name=user_name)


def new_api_key_body(row: ApiKey, secret: str) -> NewApiKeyBody:
    return NewApiKeyBody(**_api_key(row), value=secret)


def audit_body(row: AuditEntry) -> AuditBody:
    return AuditBody(
        id=str(row.id),
        type=row.action,
        effective_at=row.at,
        actor=AuditActor(row.actor_kind, row.actor_id, row.actor_name),
        target=AuditTarget(row.object_id, row.object_name),
        detail=row.detail,
    )


def _api_key(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "prefix": row.prefix,
        "workspace_id": row.workspace_id,
        "user_id": row.user_id,
        "scopes": row.scopes,
        "allowed_models": row.allowed_models,
        "allowed_addresses": row.allowed_addresses,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "blocked": row.blocked_at is not None,
        "revoked": row.revoked_at is not None,
    }
