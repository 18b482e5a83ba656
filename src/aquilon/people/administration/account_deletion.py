"""Deleting an account with all that belongs to its person, by themselves or an administrator.

First the account is disabled and the deletion noted, in one transaction; then each wing
deletes its part, the account itself last. A server that stops meanwhile goes on later.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, invalid, unauthenticated
from aquilon.people.administration.access import user_for
from aquilon.people.archive import archive
from aquilon.people.archive_readme import Language
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.personal_data import ERASED_NAME, Person, PersonalData
from aquilon.people.scope import Everyone, Scope
from aquilon.people.sign_in import SignIn
from aquilon.people.store import accounts, api_keys, sessions
from aquilon.people.store.audit import record
from aquilon.people.store.invitations import revoke_invitations_of
from aquilon.people.store.passwords import password_hash
from aquilon.people.store.sessions import SessionHolder
from aquilon.people.tables import AccountDeletion, User
from aquilon.storage import Database

FRESH_SECONDS = 15 * 60
"""A person without a password confirms with a sign-in that is this fresh."""

KEPT = (
    "Usage and statements stay for billing, under an id that names nobody",
    "Entries of the audit log stay, without your name, address and file names",
    "Copies that others made of their own conversations stay with them, and so do questions there from before this "
    "server noted who asks: beside no name",
    "Backups that the operator has made stay until they are deleted",
)
"""What a deletion leaves, and why."""


@dataclass(frozen=True, kw_only=True)
class Deleted:
    user_id: str
    numbers: dict[str, int]
    """How many of what were deleted; what there was none of isn't named."""


class PersonalAccounts:
    """What a person may do with all of their own data: take it along, and delete it."""

    def __init__(
        self, database: Database, sign_in: SignIn, parts: Sequence[PersonalData], *, erased: Callable[[], None]
    ) -> None:
        """``parts`` in the order in which they are deleted, the account last; ``erased`` is called after a deletion."""
        self._database = database
        self._sign_in = sign_in
        self._erased = erased
        self.parts = tuple(parts)
        self._exporting: set[str] = set()

    async def export(self, principal: Principal, *, language: Language = "en") -> AsyncIterator[bytes]:
        """The archive of the caller's data, with its README and headings in ``language``.

        Raises ApiError 429 while another one of theirs is being made.
        """
        if principal.user_id in self._exporting:
            raise ApiError(
                429,
                "rate_limit_error",
                "An archive of your data is being made already: wait until it has ended",
                code="export_running",
                retry_after=10,
            )
        async with self._database.reading() as session:
            user = await user_for(session, principal, principal.user_id)
            person = await _person(session, user)
        return self._export(person, principal.organization_name, language)

    async def _export(self, person: Person, organization: str, language: Language) -> AsyncIterator[bytes]:
        self._exporting.add(person.user_id)
        try:
            async for chunk in archive(self.parts, person, organization, language=language):
                if chunk:
                    yield chunk
        finally:
            self._exporting.discard(person.user_id)

    async def why_not(self, principal: Principal) -> ApiError | None:
        """Why the caller's account can't be deleted now; None if it can."""
        async with self._database.reading() as session:
            user = await user_for(session, principal, principal.user_id)
            return await _last_owner(session, user)

    async def delete_own(
        self, holder: SessionHolder, *, confirmation: str, password: str | None, address: str, now: int
    ) -> Deleted:
        """Delete the caller's own account, confirmed with its name and its password, if it has one.

        Raises ApiError: 400 for a wrong confirmation or the last owner, 401 for a wrong password or, without one, a
        sign-in that isn't fresh.
        """
        principal = holder.principal
        async with self._database.reading() as session:
            user = await user_for(session, principal, principal.user_id)
            stored = await password_hash(session, user)
        _require_name(user, confirmation)
        if stored is not None:
            if password is None:
                raise invalid("Give your password too", param="password", code="current_password_required")
            await self._sign_in.verify(user.id, stored, password, address=address)
        elif now - holder.created_at > FRESH_SECONDS:
            raise unauthenticated(
                f"Sign in again first: without a password, an account is deleted within {FRESH_SECONDS // 60} minutes "
                "after a sign-in",
                code="fresh_sign_in_required",
            )
        return await self._delete(principal, user.id)

    async def delete_member(self, principal: Principal, user_id: str, *, confirmation: str) -> Deleted:
        """Delete another person's account. Raises ApiError: 403, 404, 400 for a wrong name or the last owner."""
        require(principal, "members.manage")
        async with self._database.reading() as session:
            user = await user_for(session, principal, user_id)
        if user.role == "owner":
            require(principal, "owners.manage")
        if user.id == principal.user_id:
            raise invalid("Delete your own account at /v1/me/deletion, signed in", code="own_account")
        _require_name(user, confirmation)
        return await self._delete(principal, user.id)

    async def finish(self) -> int:
        """Go on with a deletion that a stop interrupted; returns 1, or 0 if there is none."""
        async with self._database.reading() as session:
            row = await session.scalar(Everyone.select(AccountDeletion).limit(1))
        if row is None:
            return 0
        await self._erase(row.organization_id, row.user_id)
        return 1

    async def _delete(self, principal: Principal, user_id: str) -> Deleted:
        now = int(time.time())
        async with self._database.writing(alone=True) as session:
            scope = Scope.of_organization(principal)
            user = await user_for(session, principal, user_id)
            if (problem := await _last_owner(session, user)) is not None:
                raise problem
            user.disabled_at = user.disabled_at or now
            await sessions.revoke_access(session, user)
            await revoke_invitations_of(session, scope, user.id)
            if await session.scalar(scope.select(AccountDeletion).where(AccountDeletion.user_id == user.id)) is None:
                session.add(AccountDeletion(user_id=user.id, organization_id=user.organization_id, requested_at=now))
            await session.flush()
            await record(session, principal, "user.deleted", object_id=user.id, object_name=ERASED_NAME)
        return await self._erase(principal.organization_id, user_id)

    async def _erase(self, organization_id: str, user_id: str) -> Deleted:
        async with self._database.reading() as session:
            user = await accounts.user_by_id(session, Scope(organization_id), user_id)
            if user is None:  # another request was faster
                return Deleted(user_id=user_id, numbers={})
            person = await _person(session, user)
        numbers: dict[str, int] = {}
        for part in self.parts:
            erased = await part.erase(person)
            numbers |= {what: number for what, number in erased.items() if number > 0}
        self._erased()
        return Deleted(user_id=user_id, numbers=numbers)


async def _person(session: AsyncSession, user: User) -> Person:
    keys = await api_keys.list_api_keys(session, Scope(user.organization_id, user.id))
    return Person(
        organization_id=user.organization_id,
        user_id=user.id,
        name=user.name,
        email=user.email,
        key_ids=tuple(key.id for key, _ in keys),
    )


async def _last_owner(session: AsyncSession, user: User) -> ApiError | None:
    if user.role != "owner" or await accounts.other_owner(session, Scope(user.organization_id), user.id):
        return None
    return invalid(
        f"'{user.name}' is the organization's last owner: make somebody else an owner first",
        code="last_owner",
        values={"name": user.name},
    )


def _require_name(user: User, confirmation: str) -> None:
    if confirmation.strip() != user.name:
        raise invalid(
            f"Confirm with the account's name, '{user.name}', in 'confirm'",
            param="confirm",
            code="not_confirmed",
            values={"name": user.name},
        )
