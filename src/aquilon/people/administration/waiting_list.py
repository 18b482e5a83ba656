"""The waiting list: visitors ask to join, an administrator admits them in waves, each with an invitation.

The server sends no mail: the administrator sends the links. What a visitor is answered
doesn't depend on whether the address is on the list, or has an account.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, invalid, not_found
from aquilon.people.administration.access import no_such
from aquilon.people.administration.invitations import DEFAULT_SECONDS, create_in, places_of
from aquilon.people.attempts import Attempts
from aquilon.people.identity import Principal, Role
from aquilon.people.names import checked_email, checked_name
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.sign_in import network_of
from aquilon.people.store import waiting_list
from aquilon.people.store.audit import record
from aquilon.people.tables import WaitingListEntry
from aquilon.storage import Database
from aquilon.wording import counted

MOST_WAITING = 10_000
MOST_AT_ONCE = 200
"""How many are admitted or refused with one request."""
MAX_REASON_CHARACTERS = 300
DECIDED_DAYS = 30
"""For how long somebody who was admitted or refused stays on the list."""
WAITING_DAYS = 365
"""For how long somebody who waits does."""
FREE_REQUESTS = 5
_DAY = 86_400


@dataclass(frozen=True)
class Admitted:
    entry: WaitingListEntry
    invitation_id: str
    token: str
    """The invitation's, shown once."""
    expires_at: int


class WaitingList:
    """Requests to join; after `FREE_REQUESTS` of one network each further one must wait, twice as long every time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._networks = Attempts(FREE_REQUESTS, seconds=60.0, max_seconds=3600.0)

    async def is_open(self, organization: str | None = None) -> bool:
        async with self._database.reading() as session:
            return await waiting_list.open_organization(session, organization) is not None

    async def ask(self, name: str, email: str, reason: str, *, organization: str | None, address: str) -> None:
        """Put a visitor on the list of an organization, by default the one that runs the server.

        Raises ApiError: 404 if the organization is unknown or its list closed, 409 if it is full, 429 after too many
        requests from the visitor's network; ValueError for an invalid name, address or reason.
        """
        name, email, reason = checked_name(name, "person"), checked_email(email), " ".join(reason.split())
        if len(reason) > MAX_REASON_CHARACTERS or not reason.isprintable():
            raise ValueError(f"A reason has at most {MAX_REASON_CHARACTERS} printable characters")
        network = network_of(address)
        if wait := self._networks.wait(network):
            raise ApiError(
                429,
                "rate_limit_error",
                f"Too many requests to join from your network: try again in {counted(wait, 'second')}",
                code="too_many_attempts",
                retry_after=wait,
                values={"seconds": wait},
            )
        self._networks.record_failure(network)
        async with self._database.writing(alone=True) as session:
            organization_id = await waiting_list.open_organization(session, organization)
            if organization_id is None:
                raise not_found("There is no open waiting list here", code="waiting_list_closed")
            scope = Scope(organization_id)
            if await waiting_list.count(session, scope) >= MOST_WAITING:
                raise ApiError(
                    409,
                    "invalid_request_error",
                    f"The waiting list is full: {MOST_WAITING} people wait already",
                    code="waiting_list_full",
                )
            await waiting_list.add(session, scope, name, email=email, reason=reason)

    async def prune(self) -> int:
        """Delete some entries that are kept no longer; returns how many."""
        now = int(time.time())
        async with self._database.writing() as session:
            return await waiting_list.prune(
                session,
                decided_before=now - DECIDED_DAYS * _DAY,
                asked_before=now - WAITING_DAYS * _DAY,
                most=MOST_AT_ONCE,
            )


async def rule(database: Database, principal: Principal) -> tuple[int | None, int]:
    """When the list was opened, None if it is closed; and how many wait. Raises ApiError 403."""
    require(principal, "members.manage")
    scope = Scope.of_organization(principal)
    async with database.reading() as session:
        return await waiting_list.opened_at(session, scope), await waiting_list.count(session, scope)


async def set_open(database: Database, principal: Principal, is_open: bool) -> None:
    """Raises ApiError 403."""
    require(principal, "members.manage")
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        if (await waiting_list.opened_at(session, scope) is not None) == is_open:
            return
        await waiting_list.set_open(session, scope, is_open)
        await record(
            session,
            principal,
            "waiting_list.opened" if is_open else "waiting_list.closed",
            object_id=principal.organization_id,
            object_name=principal.organization_name,
        )


async def page(
    database: Database, principal: Principal, status: str, *, search: str, after: str | None, limit: int
) -> Sequence[WaitingListEntry]:
    """Raises ApiError 403."""
    require(principal, "members.manage")
    async with database.reading() as session:
        return await waiting_list.page(
            session, Scope.of_organization(principal), status, search=search, after=after, limit=limit
        )


async def admit(
    database: Database,
    principal: Principal,
    role: Role,
    *,
    entry_ids: Sequence[str] = (),
    first: int = 0,
    workspaces: Sequence[str] = (),
    seconds: int = DEFAULT_SECONDS,
) -> list[Admitted]:
    """Admit these people, or the ``first`` who wait: an invitation for one person each, all or none.

    Raises ApiError: 403 for a role above the caller's, 404 for an unknown entry or workspace, 409 for somebody who
    doesn't wait any more.
    """
    require(principal, "owners.manage" if role == "owner" else "members.manage")
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        places = await places_of(session, principal, workspaces)
        if first:
            entry_ids = [entry.id for entry in await waiting_list.page(session, scope, "waiting", limit=first)]
        admitted = []
        for entry_id in dict.fromkeys(entry_ids):
            entry = await _decide(session, principal, entry_id, status="admitted")
            invitation = await create_in(session, principal, role, places=places, note=entry.name, seconds=seconds)
            entry.invitation_id = invitation.record.id
            admitted.append(Admitted(entry, invitation.record.id, invitation.token, invitation.record.expires_at))
        await session.flush()
        return admitted


async def refuse(database: Database, principal: Principal, entry_ids: Sequence[str]) -> list[WaitingListEntry]:
    """All or none. Raises ApiError: 403, 404 for an unknown entry, 409 for somebody who doesn't wait any more."""
    require(principal, "members.manage")
    async with database.writing(alone=True) as session:
        return [await _decide(session, principal, id_, status="refused") for id_ in dict.fromkeys(entry_ids)]


async def remove(database: Database, principal: Principal, entry_id: str) -> None:
    """Delete somebody from the list; their invitation, if they have one, stays. Raises ApiError 403 or 404."""
    require(principal, "members.manage")
    async with database.writing() as session:
        if await waiting_list.remove(session, Scope.of_organization(principal), entry_id) is None:
            raise no_such("waiting list entry", entry_id)
        await record(session, principal, "waiting_list.entry_deleted", object_id=entry_id, object_name="")


async def _decide(session: AsyncSession, principal: Principal, entry_id: str, *, status: str) -> WaitingListEntry:
    scope = Scope.of_organization(principal)
    entry = await waiting_list.decide(session, scope, entry_id, status=status)
    if entry is not None:
        await record(session, principal, f"waiting_list.{status}", object_id=entry_id, object_name="")
        return entry
    if await waiting_list.by_id(session, scope, entry_id) is None:
        raise no_such("waiting list entry", entry_id)
    raise ApiError(
        409,
        "invalid_request_error",
        f"The waiting list entry '{entry_id}' was admitted or refused already: read the list again",
        code="not_waiting",
    )


def require_choice(entry_ids: Sequence[str] | None, first: int | None) -> None:
    """Raises ApiError 400 unless exactly one of the two is given."""
    if (entry_ids is None) == (first is None):
        raise invalid(
            "Send either 'entry_ids', or 'first': how many of those who wait",
            param="entry_ids",
            code="entry_ids_or_first",
        )
