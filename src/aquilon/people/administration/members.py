"""The people of an organization and their roles in it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import invalid
from aquilon.people.administration.access import user_for
from aquilon.people.identity import Principal, Role
from aquilon.people.password_hashes import Passwords
from aquilon.people.passwords import checked_password
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, sessions
from aquilon.people.store.audit import record
from aquilon.people.store.invitations import revoke_invitations_of
from aquilon.people.store.passwords import remove_password, set_password_hash
from aquilon.people.tables import User
from aquilon.storage import Database


@dataclass(frozen=True)
class NewMember:
    user: User
    login_token: str
    """Signs in once, within a day."""


@dataclass(frozen=True, kw_only=True)
class UserChanges:
    """Fields that are None stay unchanged; ``removes_email`` removes the address."""

    name: str | None = None
    email: str | None = None
    removes_email: bool = False
    role: Role | None = None
    disabled: bool | None = None


async def create(
    database: Database, principal: Principal, name: str, *, role: Role, email: str | None = None
) -> NewMember:
    """Create a user with a login token. Raises ApiError 403, or ValueError for an invalid or taken name or address."""
    require(principal, "owners.manage" if role == "owner" else "members.manage")
    async with database.writing() as session:
        user = await accounts.create_user(
            session, principal.organization_id, name, role=role, email=email, email_vouched=True
        )
        token = await sessions.create_login_link(session, user)
        await record(session, principal, "user.created", object_id=user.id, object_name=user.name, role=role)
        return NewMember(user, token)


async def visible(
    database: Database, principal: Principal, *, after: str | None = None, limit: int | None = None
) -> list[User]:
    """By name, those behind the user with the id ``after``. Raises ApiError 403."""
    require(principal, "members.read")
    async with database.reading() as session:
        return await accounts.list_users(session, Scope.of_organization(principal), after=after, limit=limit)


async def get(database: Database, principal: Principal, user_id: str) -> User:
    """The caller's own user, or any for callers who may see the members. Raises ApiError."""
    if user_id != principal.user_id:
        require(principal, "members.read")
    async with database.reading() as session:
        return await user_for(session, principal, user_id)


async def change(database: Database, principal: Principal, user_id: str, *, changes: UserChanges) -> User:
    """Change a user. The last owner can't be disabled or lose the role.

    Disabling ends the user's sessions and stops their keys. Disabling and a new role also
    revoke the user's open invitations. Raises ApiError, or ValueError for an invalid or
    taken name or address.
    """
    require(principal, "members.manage")
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        user = await user_for(session, principal, user_id)
        role, disabled = changes.role, changes.disabled
        if "owner" in (user.role, role):
            require(principal, "owners.manage")
        loses_ownership = user.role == "owner" and (role not in (None, "owner") or disabled)
        if loses_ownership and not await accounts.other_owner(session, scope, user.id):
            raise invalid(
                f"'{user.name}' is the organization's last owner: make somebody else an owner first",
                code="last_owner",
                values={"name": user.name},
            )
        await describe(session, principal, user, changes=changes, vouched=True)
        if role is not None and role != user.role:
            user.role = role
            await revoke_invitations_of(session, scope, user.id)
            await record(session, principal, "user.role_set", object_id=user.id, object_name=user.name, role=role)
        if disabled is not None and disabled != (user.disabled_at is not None):
            user.disabled_at = int(time.time()) if disabled else None
            if disabled:
                await sessions.revoke_access(session, user)
                await revoke_invitations_of(session, scope, user.id)
            await record(
                session,
                principal,
                "user.disabled" if disabled else "user.enabled",
                object_id=user.id,
                object_name=user.name,
            )
        await session.flush()
        return user


async def describe(
    session: AsyncSession, principal: Principal, user: User, *, changes: UserChanges, vouched: bool
) -> None:
    """Set the name and address from ``changes``; ``vouched`` says whether somebody else confirms the address.

    Raises ValueError for an invalid or taken name or address.
    """
    former_name, former_email = user.name, (user.email, user.email_vouched)
    if changes.name is not None:
        await accounts.rename_user(session, user, changes.name)
    if changes.email is not None or changes.removes_email:
        await accounts.set_email(session, user, changes.email, vouched=vouched)
    if user.name != former_name:
        await record(session, principal, "user.renamed", object_id=user.id, object_name=user.name)
    if (user.email, user.email_vouched) != former_email:
        await record(session, principal, "user.email_set", object_id=user.id, object_name=user.name, email=user.email)


async def login_link(database: Database, principal: Principal, user_id: str) -> NewMember:
    """A one-time login token for a member. Raises ApiError."""
    async with database.writing() as session:
        user = await _user_to_grant_access(session, principal, user_id)
        await record(session, principal, "user.link_created", object_id=user.id, object_name=user.name)
        return NewMember(user, await sessions.create_login_link(session, user))


async def reset(database: Database, principal: Principal, user_id: str) -> NewMember:
    """End a member's sessions and open links, remove the password, and create a login token. Raises ApiError."""
    async with database.writing() as session:
        user = await _user_to_grant_access(session, principal, user_id)
        await sessions.revoke_access(session, user)
        await remove_password(session, user)
        await record(session, principal, "user.reset", object_id=user.id, object_name=user.name)
        return NewMember(user, await sessions.create_login_link(session, user))


async def set_password(
    database: Database, principal: Principal, passwords: Passwords, *, user_id: str, password: str
) -> User:
    """Set another user's password, by the operator on the server's machine; the user's sessions end.

    Raises ApiError, or ValueError for an invalid password.
    """
    async with database.reading() as session:
        user = await user_for(session, principal, user_id)
    hashed = await passwords.hash(checked_password(password, user.name, user.email, principal.organization_name))
    async with database.writing() as session:
        user = await _user_to_grant_access(session, principal, user_id)
        await sessions.revoke_access(session, user)
        await set_password_hash(session, user, hashed)
        await record(session, principal, "user.password_set", object_id=user.id, object_name=user.name)
        return user


async def _user_to_grant_access(session: AsyncSession, principal: Principal, user_id: str) -> User:
    """The user, if the caller may create access to the account. Only owners may do so for an owner. Raises ApiError."""
    require(principal, "members.manage")
    user = await user_for(session, principal, user_id)
    if user.role == "owner":
        require(principal, "owners.manage")
    return user
