"""A user's own account: profile, workspaces, sessions, identities and password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

from aquilon.errors import invalid
from aquilon.people.administration.access import no_such, user_for
from aquilon.people.administration.members import UserChanges, describe
from aquilon.people.identity import Principal, Role
from aquilon.people.password_hashes import Passwords
from aquilon.people.passwords import checked_password
from aquilon.people.permissions import Action, has_scope, permits
from aquilon.people.scope import Scope
from aquilon.people.sign_in import SignIn
from aquilon.people.store import accounts, identity_providers, sessions, workspaces
from aquilon.people.store.audit import record
from aquilon.people.store.passwords import password_hash, set_password_hash
from aquilon.people.store.sessions import SessionHolder
from aquilon.people.tables import Identity, IdentityProvider, Session, User, Workspace
from aquilon.storage import Database

FRESH_LINK_SECONDS = 15 * 60
"""For so long after signing in by a one-time link, a user may set a password without the former one."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    user: User
    has_password: bool
    workspaces: tuple[tuple[Workspace, Role | None], ...]
    """The workspaces that the user can work in, with the role there; None if only the organization's role applies."""
    permissions: tuple[Action, ...]
    """The permitted actions in the present workspace or the whole organization."""


async def profile(database: Database, principal: Principal) -> Profile:
    scope = Scope.of_organization(principal)
    everywhere = permits(principal.role, None, "workspaces.read")
    async with database.reading() as session:
        user = await accounts.user_by_id(session, scope, principal.user_id)
        assert user is not None
        memberships = await workspaces.memberships(session, Scope.of_user(principal))
        roles = {member.workspace_id: cast(Role, member.role) for member in memberships}
        visible = await workspaces.list_workspaces(session, scope, member=None if everywhere else user.id)
        has_password = await password_hash(session, user) is not None
    active = [workspace for workspace in visible if workspace.archived_at is None]
    if principal.api_key_id is not None:
        active = [workspace for workspace in active if workspace.id == principal.workspace_id]
    with_roles = tuple((workspace, roles.get(workspace.id)) for workspace in active)
    return Profile(user=user, has_password=has_password, workspaces=with_roles, permissions=permissions_of(principal))


def permissions_of(principal: Principal) -> tuple[Action, ...]:
    return tuple(
        action
        for action in cast(tuple[Action, ...], get_args(Action))
        if has_scope(principal, action)
        and permits(principal.role, principal.workspace_role, action)
        and (action != "server.manage" or principal.operates)
    )


async def change(database: Database, holder: SessionHolder, changes: UserChanges) -> None:
    """Change the user's own name and e-mail address; the address counts as unconfirmed.

    Raises ValueError for an invalid or taken name or address.
    """
    principal = holder.principal
    async with database.writing(alone=True) as session:
        user = await user_for(session, principal, principal.user_id)
        await describe(session, principal, user, changes=changes, vouched=False)


async def choose_workspace(database: Database, holder: SessionHolder, id_or_name: str) -> None:
    """Set the session's workspace. Raises ApiError 404."""
    principal = holder.principal
    scope = Scope.of_organization(principal)
    async with database.writing() as session:
        workspace = await workspaces.workspace_by(session, scope, id_or_name)
        if workspace is None or workspace.archived_at is not None:
            raise no_such("workspace", id_or_name)
        member = await workspaces.membership(session, scope, workspace.id, user_id=principal.user_id)
        if member is None and not permits(principal.role, None, "workspaces.read"):
            raise no_such("workspace", id_or_name)
        await sessions.choose_workspace(session, holder.id, workspace.id)


async def own_sessions(database: Database, holder: SessionHolder) -> list[Session]:
    async with database.reading() as session:
        return await sessions.list_sessions(session, holder.principal.user_id)


async def end_session(database: Database, holder: SessionHolder, session_id: str) -> None:
    """End one of the user's own sessions. Raises ApiError 404."""
    principal = holder.principal
    async with database.writing() as session:
        if not await sessions.end_session(session, principal.user_id, session_id):
            raise no_such("session", session_id)
        await record(session, principal, "session.ended", object_id=session_id, object_name=principal.user_name)


async def own_identities(database: Database, holder: SessionHolder) -> list[tuple[Identity, IdentityProvider]]:
    async with database.reading() as session:
        return await identity_providers.identities_of_user(session, Scope.of_user(holder.principal))


async def remove_identity(database: Database, holder: SessionHolder, provider_name: str) -> None:
    """Remove an identity of the user's. Raises ApiError: 404, or 400 if it is the only way to sign in."""
    principal = holder.principal
    async with database.writing(alone=True) as session:
        identities = await identity_providers.identities_of_user(session, Scope.of_user(principal))
        removed = next((identity for identity, provider in identities if provider.name == provider_name), None)
        if removed is None:
            raise no_such("identity", provider_name)
        user = await accounts.user_by_id(session, Scope.of_organization(principal), principal.user_id)
        assert user is not None
        if len(identities) == 1 and await password_hash(session, user) is None:
            raise invalid("This identity is the only way to sign in: set a password first", code="last_way_in")
        await session.delete(removed)
        await session.flush()
        await record(
            session,
            principal,
            "user.identity_removed",
            object_id=user.id,
            object_name=user.name,
            provider=provider_name,
        )


async def set_password(
    database: Database,
    passwords: Passwords,
    sign_in: SignIn,
    *,
    holder: SessionHolder,
    new: str,
    current: str | None,
    now: int,
    address: str,
) -> None:
    """Set the user's password, end every other session and void open links.

    ``current`` is needed unless the account has no password or the session just began with
    a one-time link. Raises ApiError: 401 for a wrong ``current``, 400 if it is missing, 429
    after too many attempts; ValueError for an invalid password.
    """
    principal = holder.principal
    scope = Scope.of_organization(principal)
    async with database.reading() as session:
        user = await accounts.user_by_id(session, scope, principal.user_id)
        assert user is not None
        stored = await password_hash(session, user)
    checked = checked_password(new, user.name, user.email, principal.organization_name)
    by_link = holder.method == "link" and now - holder.created_at <= FRESH_LINK_SECONDS
    if current is not None:
        await sign_in.verify(user.id, stored, current, address=address)
    elif stored is not None and not by_link:
        raise invalid(
            "Give the present password too, or sign in with a one-time link and set another within "
            f"{FRESH_LINK_SECONDS // 60} minutes",
            param="current",
            code="current_password_required",
        )
    hashed = await passwords.hash(checked)
    async with database.writing(alone=True) as session:
        user = await accounts.user_by_id(session, scope, principal.user_id)
        if user is None or await password_hash(session, user) != stored:
            raise invalid("The password was changed meanwhile: sign in again", code="password_changed")
        await set_password_hash(session, user, hashed)
        await sessions.end_other_sessions(session, user.id, holder.id)
        await sessions.spend_links(session, user.id)
        await record(session, principal, "user.password_set", object_id=user.id, object_name=user.name)
