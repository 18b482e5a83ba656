"""Organizations and the people in them; login links and sessions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.platform.domain.identity import KEY_SCOPES, KeyScope, Principal, Role
from aquilon.platform.domain.secrets import fingerprint, new_id, new_token
from aquilon.platform.storage.names import checked_name
from aquilon.platform.storage.schema import ApiKey, LoginLink, Organization, Session, User, Workspace, WorkspaceMember
from aquilon.platform.storage.scope import Everyone, Scope
from aquilon.platform.storage.workspaces import create_workspace, first_workspace, set_member

LOGIN_LINK_SECONDS = 24 * 3600
SESSION_SECONDS = 30 * 24 * 3600
FIRST_WORKSPACE = "default"


class UnknownUser(LookupError):
    """No user of that name; the message lists those that exist."""


@dataclass(frozen=True)
class SignedIn:
    session_id: str
    """The cookie's value; only its SHA-256 is stored."""
    expires_at: int
    principal: Principal


async def create_organization(session: AsyncSession, name: str) -> Organization:
    """With its first workspace; the first organization of all runs the server.

    Raises ValueError for a name that won't do or is taken.
    """
    name = checked_name(name, "organization")
    if await session.scalar(select(Organization).where(Organization.name == name)) is not None:
        raise ValueError(f"There is an organization '{name}' already")
    first = await session.scalar(select(Organization).limit(1)) is None
    organization = Organization(id=new_id("org"), name=name, created_at=_now(), operates=first)
    session.add(organization)
    await session.flush()
    await create_workspace(session, Scope(organization.id), FIRST_WORKSPACE)
    return organization


async def rename_organization(session: AsyncSession, organization: Organization, name: str) -> None:
    """Raises ValueError for a name that won't do or is taken."""
    name = checked_name(name, "organization")
    taken = select(Organization).where(Organization.name == name, Organization.id != organization.id)
    if await session.scalar(taken) is not None:
        raise ValueError(f"There is an organization '{name}' already")
    organization.name = name
    await session.flush()


async def create_user(session: AsyncSession, organization_id: str, name: str, role: Role) -> User:
    """A new user of the organization, in its first workspace.

    Raises ValueError for a name that is empty, too long or taken.
    """
    name, scope = checked_name(name, "user"), Scope(organization_id)
    if await session.scalar(scope.select(User).where(User.name == name)) is not None:
        raise ValueError(f"There is a user '{name}' already")
    user = User(id=new_id("user"), organization_id=organization_id, name=name, role=role, created_at=_now())
    session.add(user)
    await session.flush()
    workspace = await first_workspace(session, scope)
    await set_member(session, scope, workspace, user, "administrator" if role == "owner" else role)
    return user


async def any_user(session: AsyncSession) -> bool:
    return await session.scalar(Everyone.select(User).limit(1)) is not None


async def first_administrator(session: AsyncSession, scope: Scope) -> User | None:
    """The oldest owner or administrator who may still sign in."""
    query = scope.select(User).where(User.role.in_(("owner", "administrator")), User.disabled_at.is_(None))
    return await session.scalar(query.order_by(User.created_at, User.id).limit(1))


async def list_organizations(session: AsyncSession) -> list[Organization]:
    """The oldest, which the first start made, first."""
    return list(await session.scalars(select(Organization).order_by(Organization.created_at, Organization.id)))


async def organization_by(session: AsyncSession, id_or_name: str) -> Organization | None:
    query = select(Organization).where((Organization.id == id_or_name) | (Organization.name == id_or_name))
    return await session.scalar(query.limit(1))


async def list_users(session: AsyncSession, scope: Scope) -> list[User]:
    return list(await session.scalars(scope.select(User).order_by(User.name)))


async def user_by_id(session: AsyncSession, scope: Scope, user_id: str) -> User | None:
    return await session.scalar(scope.select(User).where(User.id == user_id))


async def user_named(session: AsyncSession, scope: Scope, name: str) -> User:
    """Raises UnknownUser."""
    users = await list_users(session, scope)
    for user in users:
        if user.name == name:
            return user
    names = ", ".join(user.name for user in users) or "none"
    raise UnknownUser(f"There is no user '{name}'; the users are: {names}")


async def create_login_link(session: AsyncSession, user: User) -> str:
    """A token that signs this user in once, within a day. Links made before stay valid."""
    token, now = new_token(), _now()
    session.add(
        LoginLink(token_sha256=fingerprint(token), user_id=user.id, created_at=now, expires_at=now + LOGIN_LINK_SECONDS)
    )
    await session.flush()
    return token


async def sign_in(session: AsyncSession, token: str) -> SignedIn | None:
    """Spend a login link's token for a new session; None if it is wrong, spent, expired, or its user disabled."""
    now = _now()
    spent = await session.scalar(
        update(LoginLink)
        .where(LoginLink.token_sha256 == fingerprint(token), LoginLink.used_at.is_(None), LoginLink.expires_at > now)
        .values(used_at=now)
        .returning(LoginLink.user_id)
    )
    if spent is None:
        return None
    session_id = new_token()
    session.add(
        Session(id_sha256=fingerprint(session_id), user_id=spent, created_at=now, expires_at=now + SESSION_SECONDS)
    )
    await session.execute(delete(Session).where(Session.expires_at <= now))
    await session.flush()
    principal = await principal_of_session(session, session_id)
    return None if principal is None else SignedIn(session_id, now + SESSION_SECONDS, principal)


async def principal_of_session(session: AsyncSession, session_id: str) -> Principal | None:
    """Who is signed in under this cookie's value, or None."""
    query = (
        Everyone.select(User)
        .add_columns(Organization)
        .join(Session, Session.user_id == User.id)
        .join(Organization, Organization.id == User.organization_id)
        .where(Session.id_sha256 == fingerprint(session_id), Session.expires_at > _now(), User.disabled_at.is_(None))
    )
    found = (await session.execute(query)).first()
    if found is None:
        return None
    user, organization = found
    mine = Scope(organization.id, user.id).select(WorkspaceMember)
    membership = await session.scalar(
        mine.join(Workspace, Workspace.id == WorkspaceMember.workspace_id)
        .where(Workspace.archived_at.is_(None))
        .order_by(Workspace.created_at, Workspace.id)
        .limit(1)
    )
    if membership is None:
        return principal(user, organization, (await first_workspace(session, Scope(organization.id))).id, None)
    return principal(user, organization, membership.workspace_id, membership)


async def other_owner(session: AsyncSession, scope: Scope, user_id: str) -> bool:
    """Whether somebody besides this user owns the organization and may sign in."""
    query = scope.select(User).where(User.role == "owner", User.disabled_at.is_(None), User.id != user_id)
    return await session.scalar(query.limit(1)) is not None


async def sign_out(session: AsyncSession, session_id: str) -> None:
    await session.execute(delete(Session).where(Session.id_sha256 == fingerprint(session_id)))


async def revoke_access(session: AsyncSession, user: User) -> None:
    """End every session of a user and spend every open login link."""
    await session.execute(delete(Session).where(Session.user_id == user.id))
    open_links = update(LoginLink).where(LoginLink.user_id == user.id, LoginLink.used_at.is_(None))
    await session.execute(open_links.values(used_at=_now()))


def principal(
    user: User,
    organization: Organization,
    workspace_id: str,
    membership: WorkspaceMember | None,
    key: ApiKey | None = None,
) -> Principal:
    return Principal(
        user_id=user.id,
        user_name=user.name,
        role=cast(Role, user.role),
        organization_id=organization.id,
        organization_name=organization.name,
        workspace_id=workspace_id,
        workspace_role=None if membership is None else cast(Role, membership.role),
        api_key_id=None if key is None else key.id,
        operates=organization.operates,
        scopes=frozenset(KEY_SCOPES if key is None else cast(list[KeyScope], key.scopes)),
        allowed_models=None if key is None or key.allowed_models is None else frozenset(key.allowed_models),
    )


def _now() -> int:
    return int(time.time())
