"""Inviting people, and joining by an invitation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, invalid, not_found
from aquilon.people.administration.access import no_such, workspace_for
from aquilon.people.identity import Principal, Role
from aquilon.people.identity_tables import Invitation
from aquilon.people.password_hashes import Passwords
from aquilon.people.passwords import checked_password
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.sign_in import SignIn, note_sign_in
from aquilon.people.store import accounts, invitations, sessions
from aquilon.people.store.audit import record
from aquilon.people.store.invitations import NewInvitation
from aquilon.people.store.passwords import set_password_hash
from aquilon.people.store.sessions import Browser, SignedIn
from aquilon.people.tables import Organization, User
from aquilon.storage import Database

DEFAULT_SECONDS = 7 * 24 * 3600
MAX_SECONDS = 90 * 24 * 3600
MAX_USES = 1000
MAX_NOTE_CHARACTERS = 200


@dataclass(frozen=True)
class InvitationTo:
    """What somebody who has the token is told before they join."""

    organization: str
    role: Role
    expires_at: int
    password: bool
    """Whether one may join with a password; else through the organization's identity provider alone."""


async def create(
    database: Database,
    principal: Principal,
    role: Role,
    *,
    workspaces: Sequence[str] = (),
    note: str = "",
    seconds: int = DEFAULT_SECONDS,
    uses: int = 1,
) -> NewInvitation:
    """Into ``workspaces`` (ids or names; the organization's first), for so many to use within ``seconds``.

    Raises ApiError: 403 for a role above one's own, 404 for an unknown workspace, 400 for
    an archived one or for numbers out of bounds.
    """
    require(principal, "owners.manage" if role == "owner" else "members.manage")
    if not 60 <= seconds <= MAX_SECONDS:
        raise invalid(f"An invitation holds for 60 to {MAX_SECONDS} seconds (90 days)", param="expires_in")
    if not 1 <= uses <= MAX_USES:
        raise invalid(f"An invitation is for 1 to {MAX_USES} people", param="uses")
    if len(note) > MAX_NOTE_CHARACTERS or not note.isprintable():
        raise invalid(f"A note has at most {MAX_NOTE_CHARACTERS} printable characters", param="note")
    scope = Scope.of_organization(principal)
    async with database.writing() as session:
        places = [await workspace_for(session, principal, each, "members.manage") for each in dict.fromkeys(workspaces)]
        archived = next((place for place in places if place.archived_at is not None), None)
        if archived is not None:
            raise invalid(f"The workspace '{archived.name}' is archived", param="workspace_ids")
        made = await invitations.create_invitation(
            session,
            scope,
            principal.user_id,
            role,
            [place.id for place in places],
            note=note,
            expires_at=int(time.time()) + seconds,
            uses=uses,
        )
        row = made.record
        told = {"role": role, "uses": uses, "expires_at": row.expires_at, "workspace_ids": row.workspace_ids}
        await record(session, principal, "invitation.created", row.id, note or role, **told)
        return made


async def visible(database: Database, principal: Principal) -> list[Invitation]:
    """The newest first. Raises ApiError 403."""
    require(principal, "members.manage")
    async with database.reading() as session:
        return await invitations.list_invitations(session, Scope.of_organization(principal))


async def revoke(database: Database, principal: Principal, invitation_id: str) -> Invitation:
    """Raises ApiError 403 or 404."""
    require(principal, "members.manage")
    async with database.writing() as session:
        found = await invitations.invitation_by_id(session, Scope.of_organization(principal), invitation_id)
        if found is None:
            raise no_such("invitation", invitation_id)
        if found.revoked_at is None:
            found.revoked_at = int(time.time())
            await session.flush()
            await record(session, principal, "invitation.revoked", found.id, found.note or found.role)
        return found


async def look_at(database: Database, sign_in: SignIn, token: str, address: str) -> InvitationTo:
    """What a token invites to. Raises ApiError 404 for one that opens nothing (any more), 429."""
    sign_in.require_patience(address)
    async with database.reading() as session:
        found = await invitations.open_invitation(session, token)
    if found is None:
        sign_in.failed(address)
        raise _closed()
    invitation, organization = found
    return InvitationTo(
        organization.name, cast(Role, invitation.role), invitation.expires_at, organization.password_sign_in
    )


async def join(
    database: Database,
    passwords: Passwords,
    sign_in: SignIn,
    token: str,
    name: str,
    email: str | None,
    password: str,
    browser: Browser,
    former: str | None,
) -> SignedIn:
    """Make the account that an invitation is for, with a password, and sign in.

    Raises ApiError 404 or 429 for the token, ValueError for a name, address or password
    that won't do or is taken.
    """
    found = await look_at(database, sign_in, token, browser.address)
    if not found.password:
        raise invalid("Join through the organization's identity provider", code="password_sign_in_off")
    hashed = await passwords.hash(checked_password(password, name, email, found.organization))
    async with database.writing(alone=True) as session:
        opened = await invitations.open_invitation(session, token)
        if opened is None:
            raise _closed()
        user = await accept(session, *opened, name, email=email, email_vouched=False)
        await set_password_hash(session, user, hashed)
        signed_in = await sessions.open_session(session, user.id, "invitation", browser)
        assert signed_in is not None
        await note_sign_in(session, signed_in, former, browser)
        return signed_in


async def accept(
    session: AsyncSession,
    invitation: Invitation,
    organization: Organization,
    name: str,
    *,
    email: str | None,
    email_vouched: bool,
) -> User:
    """A new user by an open invitation. Raises ApiError 404 if it was used up meanwhile, ValueError."""
    if not await invitations.use_invitation(session, invitation):
        raise _closed()
    user = await accounts.create_user(
        session,
        organization.id,
        name,
        cast(Role, invitation.role),
        email=email,
        email_vouched=email_vouched,
        workspace_ids=invitation.workspace_ids,
    )
    actor = accounts.principal(user, organization, "", None)
    await record(session, actor, "user.joined", user.id, user.name, role=user.role, invitation_id=invitation.id)
    return user


def _closed() -> ApiError:
    return not_found(
        "This invitation is wrong, used up, withdrawn or older than it may be: ask for another",
        code="invitation_not_open",
    )
