"""The first start creates the organization and its owner; the command line acts as the operator."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.first_organization import organization_name_here
from aquilon.people.identity import OPERATOR_ID, Principal, Role
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, api_keys, audit, sessions
from aquilon.people.store.workspaces import first_workspace
from aquilon.people.tables import Organization, User
from aquilon.storage import Database

FIRST_ADMINISTRATOR = "admin"
OPERATOR_KEY_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class FirstRun:
    """What the first start prints once, after it created the first administrator."""

    organization_name: str
    user_name: str
    api_key: str
    login_token: str
    """Signs in once, in the page's address as ``#login=TOKEN``."""


async def prepare_first_run(database: Database, organization_name: str = "") -> FirstRun | None:
    """Create the organization, its owner, a key and a login link; None if there are users already.

    Without ``organization_name`` the name is `organization_name_here`.
    """
    async with database.writing(alone=True) as session:
        if await accounts.any_user(session):
            return None
        organization, user = await _organization_with_owner(
            session, organization_name or organization_name_here(), FIRST_ADMINISTRATOR
        )
        workspace = await first_workspace(session, Scope(organization.id))
        key = await api_keys.create_api_key(session, user, workspace.id, name="first key")
        token = await sessions.create_login_link(session, user)
        return FirstRun(organization_name=organization.name, user_name=user.name, api_key=key.secret, login_token=token)


async def any_organization(database: Database) -> bool:
    """False before the first start."""
    async with database.reading() as session:
        return bool(await accounts.list_organizations(session))


async def operator(database: Database, organization: str | None = None) -> Principal:
    """The principal of the command line on the server's machine, who may do everything in ``organization``.

    ``organization`` is an id or name; None is the oldest. Raises LookupError if it is
    unknown, or before the first start.
    """
    async with database.reading() as session:
        return await _operator(session, organization)


async def user_of(database: Database, name: str | None = None, organization: str | None = None) -> User:
    """The named user, or the organization's first administrator. Raises UnknownUser."""
    async with database.reading() as session:
        return await _user(session, name, organization)


async def create_api_key(database: Database, name: str, user_name: str | None = None) -> str:
    """Create a key in the first workspace, for the named user or the first administrator; returns its secret.

    Raises UnknownUser, or ValueError for an invalid name.
    """
    async with database.writing() as session:
        user = await _user(session, user_name)
        workspace = await first_workspace(session, Scope(user.organization_id))
        key = await api_keys.create_api_key(session, user, workspace.id, name=name)
        actor = await _operator(session, user.organization_id)
        await audit.record(
            session, actor, "api_key.created", object_id=key.record.id, object_name=key.record.name, user_id=user.id
        )
        return key.secret


@asynccontextmanager
async def operator_key(database: Database, name: str) -> AsyncIterator[str]:
    """The secret of a key for administration alone, which is deleted at the end of the block.

    The key expires after ``OPERATOR_KEY_SECONDS``, in case the process is killed before that.
    Raises UnknownUser before the first start.
    """
    async with database.writing() as session:
        user = await _user(session, None)
        actor = await _operator(session, user.organization_id)
        key = await api_keys.create_api_key(
            session,
            user,
            actor.workspace_id,
            name=name,
            scopes=["administration"],
            expires_at=int(time.time()) + OPERATOR_KEY_SECONDS,
        )
        key_id = key.record.id
        await audit.record(
            session,
            actor,
            "api_key.created",
            object_id=key_id,
            object_name=name,
            user_id=user.id,
            scopes=key.record.scopes,
        )
    try:
        yield key.secret
    finally:
        async with database.writing() as session:
            record = await api_keys.api_key_by_id(session, Scope.of_organization(actor), key_id)
            if record is not None:
                await session.delete(record)
                await audit.record(session, actor, "api_key.revoked", object_id=key_id, object_name=name)


async def create_login_link(database: Database, user_name: str | None = None) -> str:
    """A one-time login token for the named user or the first administrator. Raises UnknownUser."""
    async with database.writing() as session:
        return await sessions.create_login_link(session, await _user(session, user_name))


async def _organization_with_owner(session: AsyncSession, name: str, owner: str) -> tuple[Organization, User]:
    organization = await accounts.create_organization(session, name)
    role: Role = "owner"
    user = await accounts.create_user(session, organization.id, owner, role=role)
    actor = await _operator(session, organization.id)
    await audit.record(
        session,
        actor,
        "organization.created",
        object_id=organization.id,
        object_name=organization.name,
        owner=user.name,
    )
    return organization, user


async def _operator(session: AsyncSession, id_or_name: str | None) -> Principal:
    organizations = await accounts.list_organizations(session)
    if not organizations:
        raise accounts.UnknownUser("There is no user yet: the first start of `aquilon up` creates the administrator")
    organization = next((row for row in organizations if id_or_name in (None, row.id, row.name)), None)
    if organization is None:
        names = ", ".join(row.name for row in organizations)
        raise LookupError(f"There is no organization '{id_or_name}'; the organizations are: {names}")
    return Principal(
        user_id=OPERATOR_ID,
        user_name=OPERATOR_ID,
        role="owner",
        organization_id=organization.id,
        organization_name=organization.name,
        workspace_id=(await first_workspace(session, Scope(organization.id))).id,
        workspace_role=None,
        operates=True,
    )


async def _user(session: AsyncSession, name: str | None, organization: str | None = None) -> User:
    scope = Scope.of_organization(await _operator(session, organization))
    if name is not None:
        return await accounts.user_named(session, scope, name)
    administrator = await accounts.first_administrator(session, scope)
    if administrator is None:
        raise accounts.UnknownUser("This organization has no administrator: name a user with --user")
    return administrator
