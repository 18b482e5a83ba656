"""Organizations and the people in them."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import Refusal
from aquilon.people.identity import KEY_SCOPES, KeyScope, Principal, Role
from aquilon.people.look_alikes import skeleton
from aquilon.people.names import checked_email, free_name
from aquilon.people.permissions import permits
from aquilon.people.scope import Everyone, Scope
from aquilon.people.secrets import new_id
from aquilon.people.store.workspaces import create_workspace, first_workspace, set_member, workspace_by
from aquilon.people.tables import ApiKey, Organization, User, WorkspaceMember

FIRST_WORKSPACE = "general"
_MAX_ACCOUNTS = 4


class UnknownUser(LookupError):
    """There is no user of that name; the message lists the existing ones."""


async def create_organization(session: AsyncSession, name: str) -> Organization:
    """Create an organization with its first workspace; the first organization runs the server.

    Raises ValueError for an invalid or taken name.
    """
    name = free_name(name, "organization", await session.scalars(select(Organization.name)))
    first = await session.scalar(select(Organization).limit(1)) is None
    organization = Organization(id=new_id("org"), name=name, created_at=_now(), operates=first)
    session.add(organization)
    await session.flush()
    await create_workspace(session, Scope(organization.id), FIRST_WORKSPACE)
    return organization


async def rename_organization(session: AsyncSession, organization: Organization, name: str) -> None:
    """Raises ValueError for an invalid or taken name."""
    others = select(Organization.name).where(Organization.id != organization.id)
    if name.strip() != organization.name:
        organization.name = free_name(name, "organization", await session.scalars(others))
    await session.flush()


async def create_user(
    session: AsyncSession,
    organization_id: str,
    name: str,
    *,
    role: Role,
    email: str | None = None,
    email_vouched: bool = False,
    workspace_ids: Sequence[str] = (),
) -> User:
    """A new user, member of those ``workspace_ids`` that aren't archived or gone, or else of the first workspace.

    Raises ValueError for an invalid or taken name or address.
    """
    scope = Scope(organization_id)
    user = User(
        id=new_id("user"),
        organization_id=organization_id,
        name=await _free_name(session, scope, name),
        email=None if email is None else await _free_email(session, scope, email),
        email_vouched=email is not None and email_vouched,
        role=role,
        created_at=_now(),
    )
    session.add(user)
    await session.flush()
    invited = [await workspace_by(session, scope, workspace_id) for workspace_id in workspace_ids]
    active = [workspace for workspace in invited if workspace is not None and workspace.archived_at is None]
    for workspace in active or [await first_workspace(session, scope)]:
        await set_member(session, scope, workspace, user=user, role="administrator" if role == "owner" else role)
    return user


async def rename_user(session: AsyncSession, user: User, name: str) -> None:
    """Raises ValueError for an invalid or taken name."""
    if name.strip() != user.name:
        user.name = await _free_name(session, Scope(user.organization_id), name, user=user)
        await session.flush()


async def set_email(session: AsyncSession, user: User, email: str | None, *, vouched: bool) -> None:
    """Raises ValueError for an invalid address or another account's."""
    if email is None:
        user.email, user.email_vouched = None, False
    elif checked_email(email) == user.email:
        user.email_vouched = user.email_vouched or vouched
    else:
        user.email, user.email_vouched = await _free_email(session, Scope(user.organization_id), email), vouched
    await session.flush()


async def any_user(session: AsyncSession) -> bool:
    return await session.scalar(Everyone.select(User).limit(1)) is not None


async def first_administrator(session: AsyncSession, scope: Scope) -> User | None:
    """The oldest owner or administrator who may still sign in."""
    query = scope.select(User).where(User.role.in_(("owner", "administrator")), User.disabled_at.is_(None))
    return await session.scalar(query.order_by(User.created_at, User.id).limit(1))


async def list_organizations(session: AsyncSession) -> list[Organization]:
    """All organizations, the oldest first; the first start created that one."""
    return list(await session.scalars(select(Organization).order_by(Organization.created_at, Organization.id)))


async def organization_by(session: AsyncSession, id_or_name: str) -> Organization | None:
    query = select(Organization).where((Organization.id == id_or_name) | (Organization.name == id_or_name))
    return await session.scalar(query.limit(1))


async def list_users(
    session: AsyncSession, scope: Scope, *, after: str | None = None, limit: int | None = None
) -> list[User]:
    """By name: those behind the user with the id ``after``; the first ones if that user is gone."""
    query = scope.select(User)
    if after is not None and (last := await user_by_id(session, scope, after)) is not None:
        query = query.where(User.name > last.name)
    return list(await session.scalars(query.order_by(User.name).limit(limit)))


async def names_of(session: AsyncSession, scope: Scope, user_ids: Collection[str]) -> dict[str, str]:
    """By id, the names of those of these users who still have an account in the organization."""
    query = scope.select(User).where(User.id.in_(user_ids)).with_only_columns(User.id, User.name)
    return {row[0]: row[1] for row in await session.execute(query)}


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


@dataclass(frozen=True)
class Claimants:
    """The accounts that a name or address at a sign-in may mean."""

    users: tuple[User, ...]
    max_users: int
    """How many accounts the entered name could mean at most; it doesn't depend on which accounts exist."""
    entered_name: str
    """The entered name or address, the same for every way to write it."""


async def claimants(session: AsyncSession, name: str, organization: str | None = None) -> Claimants:
    """The enabled accounts with this e-mail address in any organization, or with this name in one.

    ``organization`` is a name or id, by default the one that runs the server. A person may
    have accounts with the same address in several organizations; only the oldest few count.
    """
    name = unicodedata.normalize("NFC", name.strip())
    organization_name = unicodedata.normalize("NFC", (organization or "").strip())
    in_organization = (
        Organization.operates
        if organization is None
        else or_(Organization.id == organization_name, Organization.name == organization_name)
    )
    active = (
        Everyone.select(User)
        .join(Organization, Organization.id == User.organization_id)
        .where(User.disabled_at.is_(None), Organization.disabled_at.is_(None))
        .order_by(User.created_at, User.id)
    )
    is_address = "@" in name
    max_users = 1
    if is_address:
        max_users = _MAX_ACCOUNTS if organization is None else 2  # one with that address, one with that name
    users: list[User] = []
    if is_address:
        by_address = active.where(User.email == name.lower())
        users += await session.scalars(
            (by_address if organization is None else by_address.where(in_organization)).limit(max_users)
        )
    by_name = active.where(User.name == name, in_organization).limit(1)
    users += [user for user in await session.scalars(by_name) if user not in users]
    organization_id = await session.scalar(select(Organization.id).where(in_organization).limit(1))
    entered = skeleton(name) if is_address else f"{organization_id or skeleton(organization_name)}\0{skeleton(name)}"
    return Claimants(tuple(users[:max_users]), max_users, entered)


async def user_with_email(session: AsyncSession, scope: Scope, email: str) -> User | None:
    return await session.scalar(scope.select(User).where(User.email == email.strip().lower()))


async def other_owner(session: AsyncSession, scope: Scope, user_id: str) -> bool:
    """Whether another enabled user owns the organization."""
    query = scope.select(User).where(User.role == "owner", User.disabled_at.is_(None), User.id != user_id)
    return await session.scalar(query.limit(1)) is not None


def reaches_every_workspace(user: User) -> bool:
    """Whether the user's role in the organization permits work in workspaces without membership."""
    return permits(cast(Role, user.role), None, "workspaces.read")


def principal(
    user: User,
    organization: Organization,
    workspace_id: str,
    *,
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


async def _free_name(session: AsyncSession, scope: Scope, name: str, *, user: User | None = None) -> str:
    others = scope.select(User).with_only_columns(User.name)
    if user is not None:
        others = others.where(User.id != user.id)
    return free_name(name, "user", await session.scalars(others))


async def _free_email(session: AsyncSession, scope: Scope, email: str) -> str:
    email = checked_email(email)
    if await user_with_email(session, scope, email) is not None:
        raise Refusal(
            f"The e-mail address '{email}' belongs to another account",
            code="email_taken",
            values={"email": email},
            param="email",
        )
    return email


def _now() -> int:
    return int(time.time())
