"""The people of an organization and their roles in it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aquilon.platform.administration.access import user_for
from aquilon.platform.domain.errors import invalid
from aquilon.platform.domain.identity import Principal, Role
from aquilon.platform.domain.permissions import require
from aquilon.platform.storage import Database, accounts, sessions
from aquilon.platform.storage.audit import record
from aquilon.platform.storage.schema import User
from aquilon.platform.storage.scope import Scope


@dataclass(frozen=True)
class NewMember:
    user: User
    login_token: str
    """Signs in once, within a day."""


async def create(database: Database, principal: Principal, name: str, role: Role) -> NewMember:
    """Raises ApiError 403, or ValueError for a name that won't do or is taken."""
    require(principal, "owners.manage" if role == "owner" else "members.manage")
    async with database.writing() as session:
        user = await accounts.create_user(session, principal.organization_id, name, role)
        token = await sessions.create_login_link(session, user)
        await record(session, principal, "user.created", user.id, user.name, role=role)
        return NewMember(user, token)


async def visible(database: Database, principal: Principal) -> list[User]:
    require(principal, "members.read")
    async with database.reading() as session:
        return await accounts.list_users(session, Scope.of_organization(principal))


async def get(database: Database, principal: Principal, user_id: str) -> User:
    """Oneself, or anybody for those who may see the members."""
    async with database.reading() as session:
        user = await user_for(session, principal, user_id)
    if user.id != principal.user_id:
        require(principal, "members.read")
    return user


async def change(
    database: Database, principal: Principal, user_id: str, *, role: Role | None = None, disabled: bool | None = None
) -> User:
    """Another role, or no entry any more: sessions end and keys stop working. The last owner stays one."""
    require(principal, "members.manage")
    async with database.writing(alone=True) as session:
        user = await user_for(session, principal, user_id)
        if "owner" in (user.role, role):
            require(principal, "owners.manage")
        loses = user.role == "owner" and (role not in (None, "owner") or disabled)
        if loses and not await accounts.other_owner(session, Scope.of_organization(principal), user.id):
            raise invalid(f"'{user.name}' is the organization's last owner: make another first", code="last_owner")
        if role is not None and role != user.role:
            user.role = role
            await record(session, principal, "user.role_set", user.id, user.name, role=role)
        if disabled is not None and disabled != (user.disabled_at is not None):
            user.disabled_at = int(time.time()) if disabled else None
            if disabled:
                await sessions.revoke_access(session, user)
            await record(session, principal, "user.disabled" if disabled else "user.enabled", user.id, user.name)
        await session.flush()
        return user


async def login_link(database: Database, principal: Principal, user_id: str) -> str:
    """A one-time login token for a member. Raises ApiError."""
    require(principal, "members.manage")
    async with database.writing() as session:
        user = await user_for(session, principal, user_id)
        if user.role == "owner":
            require(principal, "owners.manage")
        await record(session, principal, "user.link_created", user.id, user.name)
        return await sessions.create_login_link(session, user)


async def reset(database: Database, principal: Principal, user_id: str) -> str:
    """End a member's sessions and open links, and give a fresh login token. Raises ApiError."""
    require(principal, "members.manage")
    async with database.writing() as session:
        user = await user_for(session, principal, user_id)
        if user.role == "owner":
            require(principal, "owners.manage")
        await sessions.revoke_access(session, user)
        await record(session, principal, "user.reset", user.id, user.name)
        return await sessions.create_login_link(session, user)
