"""What the command line and the server do with accounts, each in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.platform.domain.identity import Role
from aquilon.platform.storage import Database, accounts, api_keys
from aquilon.platform.storage.schema import User

FIRST_ORGANIZATION = "default"
FIRST_WORKSPACE = "default"
FIRST_ADMINISTRATOR = "admin"


@dataclass(frozen=True)
class FirstRun:
    """Shown once, after the first administrator was made."""

    user_name: str
    api_key: str
    login_token: str
    """The page's address with ``#login=TOKEN`` signs in once."""


@dataclass(frozen=True)
class UserSummary:
    name: str
    role: str
    created_at: int
    disabled: bool


@dataclass(frozen=True)
class KeySummary:
    id: str
    name: str
    prefix: str
    user_name: str
    created_at: int
    last_used_at: int | None
    revoked: bool


async def prepare_first_run(database: Database) -> FirstRun | None:
    """Make the organization, its administrator, a key and a login link; None if there are users already."""
    async with database.writing(alone=True) as session:
        if await accounts.any_user(session):
            return None
        organization = await accounts.create_organization(session, FIRST_ORGANIZATION)
        await accounts.create_workspace(session, organization.id, FIRST_WORKSPACE)
        user = await accounts.create_user(session, organization.id, FIRST_ADMINISTRATOR, "owner")
        key = await api_keys.create_api_key(session, user, "first key")
        token = await accounts.create_login_link(session, user)
        return FirstRun(user.name, key.secret, token)


async def create_api_key(database: Database, name: str, user_name: str | None = None) -> str:
    """A new key's secret, for the named user or the first administrator.

    Raises UnknownUser, or ValueError for a name that won't do.
    """
    async with database.writing() as session:
        user = await _user(session, user_name)
        return (await api_keys.create_api_key(session, user, name)).secret


async def list_api_keys(database: Database) -> list[KeySummary]:
    """Everybody's keys, oldest first: the operator's view."""
    async with database.reading() as session:
        keys = await api_keys.list_all_api_keys(session)
    return [
        KeySummary(
            key.id, key.name, key.prefix, user_name, key.created_at, key.last_used_at, key.revoked_at is not None
        )
        for key, user_name in keys
    ]


async def revoke_api_key(database: Database, id_or_prefix: str) -> str:
    """Revoke the one key with this id or prefix; gives its name. Raises UnknownApiKey."""
    async with database.writing() as session:
        return (await api_keys.revoke_any_api_key(session, id_or_prefix)).name


async def create_user(database: Database, name: str, role: Role) -> str:
    """A new user of the organization; gives a one-time login token.

    Raises UnknownUser before the first start, ValueError for a name that is empty, too long or taken.
    """
    async with database.writing() as session:
        organization_id = (await _user(session, None)).organization_id
        return await accounts.create_login_link(
            session, await accounts.create_user(session, organization_id, name, role)
        )


async def create_login_link(database: Database, user_name: str | None = None) -> str:
    """A one-time login token for the named user or the first administrator. Raises UnknownUser."""
    async with database.writing() as session:
        return await accounts.create_login_link(session, await _user(session, user_name))


async def reset_user(database: Database, user_name: str | None = None) -> str:
    """End a user's sessions and open links, and give a fresh login token: the way back in. Raises UnknownUser."""
    async with database.writing() as session:
        user = await _user(session, user_name)
        await accounts.revoke_access(session, user)
        return await accounts.create_login_link(session, user)


async def list_users(database: Database) -> list[UserSummary]:
    async with database.reading() as session:
        users = await accounts.list_users(session)
    return [UserSummary(user.name, user.role, user.created_at, user.disabled_at is not None) for user in users]


async def _user(session: AsyncSession, name: str | None) -> User:
    if name is not None:
        return await accounts.user_named(session, name)
    administrator = await accounts.first_administrator(session)
    if administrator is None:
        raise accounts.UnknownUser("There is no user yet: the first start of `aquilon up` makes the administrator")
    return administrator
