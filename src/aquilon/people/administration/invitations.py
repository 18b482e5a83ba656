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
from aquilon.people.tables import Invitation, Organization, User, Workspace
from aquilon.storage import Database

DEFAULT_SECONDS = 7 * 24 * 3600
MAX_SECONDS = 90 * 24 * 3600
MAX_USES = 1000
MAX_NOTE_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class InvitationSummary:
    """The details that a person with the token sees before they join."""

    organization: str
    role: Role
    expires_at: int
    password: bool
    """Whether people may join with a password; if not, only through the organization's identity provider."""


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
    """An invitation into ``workspaces`` (ids or names; none means the organization's first).

    ``uses`` people may join with it within ``seconds``. Raises ApiError: 403 for a role above
    the caller's, 404 for an unknown workspace, 400 for an archived one or for numbers out
    of bounds.
    """
    require(principal, "owners.manage" if role == "owner" else "members.manage")
    if not 60 <= seconds <= MAX_SECONDS:
        raise invalid(
            f"An invitation is valid for 60 to {MAX_SECONDS} seconds (90 days)",
            param="expires_in",
            code="out_of_range",
            values={"value": seconds, "least": 60, "most": MAX_SECONDS},
        )
    if not 1 <= uses <= MAX_USES:
        raise invalid(
            f"An invitation is for 1 to {MAX_USES} people",
            param="uses",
            code="out_of_range",
            values={"value": uses, "least": 1, "most": MAX_USES},
        )
    if len(note) > MAX_NOTE_CHARACTERS or not note.isprintable():
        raise invalid(
            f"A note has at most {MAX_NOTE_CHARACTERS} printable characters",
            param="note",
            code="note_invalid",
            values={"most": MAX_NOTE_CHARACTERS},
        )
    async with database.writing() as session:
        places = await places_of(session, principal, workspaces)
        return await create_in(session, principal, role, places=places, note=note, seconds=seconds, uses=uses)


async def places_of(session: AsyncSession, principal: Principal, workspaces: Sequence[str]) -> list[Workspace]:
    """The workspaces to invite people to, by id or name. Raises ApiError: 404 for an unknown one, 400 if archived."""
    places = [
        await workspace_for(session, principal, id_or_name, action="members.manage")
        for id_or_name in dict.fromkeys(workspaces)
    ]
    archived = next((place for place in places if place.archived_at is not None), None)
    if archived is not None:
        raise invalid(
            f"The workspace '{archived.name}' is archived",
            param="workspace_ids",
            code="workspace_archived",
            values={"name": archived.name},
        )
    return places


async def create_in(
    session: AsyncSession,
    principal: Principal,
    role: Role,
    *,
    places: Sequence[Workspace],
    note: str,
    seconds: int,
    uses: int = 1,
) -> NewInvitation:
    """The same in a transaction, for a caller that has checked the right to invite."""
    invitation = await invitations.create_invitation(
        session,
        Scope.of_organization(principal),
        principal.user_id,
        role=role,
        workspace_ids=[place.id for place in places],
        note=note,
        expires_at=int(time.time()) + seconds,
        uses=uses,
    )
    row = invitation.record
    detail = {"role": role, "uses": uses, "expires_at": row.expires_at, "workspace_ids": row.workspace_ids}
    await record(session, principal, "invitation.created", object_id=row.id, object_name=note or role, **detail)
    return invitation


async def visible(
    database: Database, principal: Principal, *, after: str | None = None, limit: int | None = None
) -> list[Invitation]:
    """The newest first, those behind the one with the id ``after``. Raises ApiError 403."""
    require(principal, "members.manage")
    async with database.reading() as session:
        scope = Scope.of_organization(principal)
        return await invitations.list_invitations(session, scope, after=after, limit=limit)


async def revoke(database: Database, principal: Principal, invitation_id: str) -> Invitation:
    """Raises ApiError 403 or 404."""
    require(principal, "members.manage")
    async with database.writing() as session:
        invitation = await invitations.invitation_by_id(session, Scope.of_organization(principal), invitation_id)
        if invitation is None:
            raise no_such("invitation", invitation_id)
        if invitation.revoked_at is None:
            invitation.revoked_at = int(time.time())
            await session.flush()
            await record(
                session,
                principal,
                "invitation.revoked",
                object_id=invitation.id,
                object_name=invitation.note or invitation.role,
            )
        return invitation


async def look_at(database: Database, sign_in: SignIn, token: str, *, address: str) -> InvitationSummary:
    """The details of a token's invitation. Raises ApiError 404 for an invalid token, 429 after too many of them."""
    sign_in.require_wait_over(address)
    async with database.reading() as session:
        opened = await invitations.open_invitation(session, token)
    if opened is None:
        sign_in.record_failure(address)
        raise _not_open()
    invitation, organization = opened
    return InvitationSummary(
        organization=organization.name,
        role=cast(Role, invitation.role),
        expires_at=invitation.expires_at,
        password=organization.password_sign_in,
    )


async def join(
    database: Database,
    passwords: Passwords,
    sign_in: SignIn,
    *,
    token: str,
    name: str,
    email: str | None,
    password: str,
    browser: Browser,
    former: str | None,
) -> SignedIn:
    """Create the account that an invitation is for, with a password, and sign in.

    Raises ApiError 404 or 429 for the token, ValueError for an invalid or taken name or
    address, or an invalid password.
    """
    summary = await look_at(database, sign_in, token, address=browser.address)
    if not summary.password:
        raise invalid(
            "This organization doesn't allow passwords: join through its identity provider", code="password_sign_in_off"
        )
    hashed = await passwords.hash(checked_password(password, name, email, summary.organization))
    async with database.writing(alone=True) as session:
        opened = await invitations.open_invitation(session, token)
        if opened is None:
            raise _not_open()
        user = await accept(session, *opened, name=name, email=email, email_vouched=False)
        await set_password_hash(session, user, hashed)
        signed_in = await sessions.open_session(session, user.id, "invitation", browser=browser)
        assert signed_in is not None
        await note_sign_in(session, signed_in, former, browser=browser)
        return signed_in


async def accept(
    session: AsyncSession,
    invitation: Invitation,
    organization: Organization,
    *,
    name: str,
    email: str | None,
    email_vouched: bool,
) -> User:
    """Create the invitation's user. Raises ApiError 404 if it was used up meanwhile, ValueError as `join`."""
    if not await invitations.use_invitation(session, invitation):
        raise _not_open()
    user = await accounts.create_user(
        session,
        organization.id,
        name,
        role=cast(Role, invitation.role),
        email=email,
        email_vouched=email_vouched,
        workspace_ids=invitation.workspace_ids,
    )
    actor = accounts.principal(user, organization, "", membership=None)
    await record(
        session,
        actor,
        "user.joined",
        object_id=user.id,
        object_name=user.name,
        role=user.role,
        invitation_id=invitation.id,
    )
    return user


def _not_open() -> ApiError:
    return not_found(
        "This invitation is unknown, used up, withdrawn or expired: ask for another",
        code="invitation_not_open",
    )
