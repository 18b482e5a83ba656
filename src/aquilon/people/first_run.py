"""The operator's view of accounts: the first run, and who acts on the command line."""

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


@dataclass(frozen=True)
class FirstRun:
    """Shown once, after the first administrator was made."""

    organization_name: str
    user_name: str
    api_key: str
    login_token: str
    """The page's address with ``#login=TOKEN`` signs in once."""


async def prepare_first_run(database: Database, organization_name: str = "") -> FirstRun | None:
    """Make the organization, its owner, a key and a login link; None if there are users already.

    Without a name the organization is called by the machine's domain, or by its person.
    """
    async with database.writing(alone=True) as session:
        if await accounts.any_user(session):
            return None
        organization, user = await _organization_with_owner(
            session, organization_name or organization_name_here(), FIRST_ADMINISTRATOR
        )
        workspace = await first_workspace(session, Scope(organization.id))
        key = await api_keys.create_api_key(session, user, workspace.id, "first key")
        token = await sessions.create_login_link(session, user)
        return FirstRun(organization.name, user.name, key.secret, token)


async def any_organization(database: Database) -> bool:
    """False before the first start."""
    async with database.reading() as session:
        return bool(await accounts.list_organizations(session))


async def operator(database: Database, organization: str | None = None) -> Principal:
    """Whoever has the server's own machine may do everything in the organization (id or name; the oldest).

    Raises LookupError for an unknown organization, or before the first start.
    """
    async with database.reading() as session:
        return await _operator(session, organization)


async def user_of(database: Database, name: str | None = None, organization: str | None = None) -> User:
    """The named user, or the organization's first administrator. Raises UnknownUser."""
    async with database.reading() as session:
        return await _user(session, name, organization)


async def create_api_key(database: Database, name: str, user_name: str | None = None) -> str:
    """A new key's secret, in the first workspace, for the named user or the first administrator.

    Raises UnknownUser, or ValueError for a name that won't do.
    """
    async with database.writing() as session:
        user = await _user(session, user_name)
        workspace = await first_workspace(session, Scope(user.organization_id))
        key = await api_keys.create_api_key(session, user, workspace.id, name)
        actor = await _operator(session, user.organization_id)
        await audit.record(session, actor, "api_key.created", key.record.id, name, user_id=user.id)
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
            name,
            scopes=["administration"],
            expires_at=int(time.time()) + OPERATOR_KEY_SECONDS,
        )
        key_id = key.record.id
        await audit.record(session, actor, "api_key.created", key_id, name, user_id=user.id, scopes=key.record.scopes)
    try:
        yield key.secret
    finally:
        async with database.writing() as session:
            record = await api_keys.api_key_by_id(session, Scope.of_organization(actor), key_id)
            if record is not None:
                await session.delete(record)
                await audit.record(session, actor, "api_key.revoked", key_id, name)


async def create_login_link(database: Database, user_name: str | None = None) -> str:
    """A one-time login token for the named user or the first administrator. Raises UnknownUser."""
    async with database.writing() as session:
        return await sessions.create_login_link(session, await _user(session, user_name))


async def _organization_with_owner(session: AsyncSession, name: str, owner: str) -> tuple[Organization, User]:
    organization = await accounts.create_organization(session, name)
    role: Role = "owner"
    user = await accounts.create_user(session, organization.id, owner, role)
    actor = await _operator(session, organization.id)
    await audit.record(session, actor, "organization.created", organization.id, organization.name, owner=user.name)
    return organization, user


async def _operator(session: AsyncSession, id_or_name: str | None) -> Principal:
    organizations = await accounts.list_organizations(session)
    if not organizations:
        raise accounts.UnknownUser("There is no user yet: the first start of `aquilon up` makes the administrator")
    found = next((each for each in organizations if id_or_name in (None, each.id, each.name)), None)
    if found is None:
        names = ", ".join(each.name for each in organizations)
        raise LookupError(f"There is no organization '{id_or_name}'; the organizations are: {names}")
    return Principal(
        user_id=OPERATOR_ID,
        user_name=OPERATOR_ID,
        role="owner",
        organization_id=found.id,
        organization_name=found.name,
        workspace_id=(await first_workspace(session, Scope(found.id))).id,
        workspace_role=None,
        operates=True,
    )


async def _user(session: AsyncSession, name: str | None, organization: str | None = None) -> User:
    scope = Scope.of_organization(await _operator(session, organization))
    if name is not None:
        return await accounts.user_named(session, scope, name)
    administrator = await accounts.first_administrator(session, scope)
    if administrator is None:
        raise accounts.UnknownUser("Nobody administers this organization: name a user with --user")
    return administrator
