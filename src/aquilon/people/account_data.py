"""The account itself: profile, sessions, keys, what the audit log has of the person. It is deleted last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.personal_data import ERASED_NAME, ArchiveFile, Person, as_json, csv_line
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, api_keys, identity_providers, waiting_list, workspaces
from aquilon.people.tables import AuditEntry, Invitation, Session, User, WaitingListEntry
from aquilon.storage import Database

_ENTRIES_AT_ONCE = 500
_PERSONAL_DETAIL = ("address", "email", "name")
"""What an entry's detail may have of a person."""


class AccountData:
    tables = frozenset(
        {
            "users",
            "workspace_members",
            "sessions",
            "login_links",
            "passwords",
            "identities",
            "api_keys",
            "account_deletions",
            "invitations",
            "waiting_list",
        }
    )

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, person: Person) -> AsyncIterator[ArchiveFile]:
        scope = Scope(person.organization_id)
        async with self._database.reading() as session:
            user = await accounts.user_by_id(session, scope, person.user_id)
            assert user is not None
            memberships = await workspaces.memberships(session, person.scope)
            names = {place.id: place.name for place in await workspaces.list_workspaces(session, scope)}
            identities = await identity_providers.identities_of_user(session, person.scope)
            keys = [key for key, _ in await api_keys.list_api_keys(session, person.scope)]
            asked = await _asked_to_join(session, person)
            open_sessions = list(await session.scalars(select(Session).where(Session.user_id == person.user_id)))
        profile = {
            "id": user.id,
            "name": user.name,
            "email": user.email,
            "role": user.role,
            "created_at": _time(user.created_at),
            "workspaces": [
                {"name": names.get(member.workspace_id), "role": member.role, "since": _time(member.created_at)}
                for member in memberships
            ],
            "waiting_list": [
                {"name": each.name, "email": each.email, "reason": each.reason, "created_at": _time(each.created_at)}
                for each in asked
            ],
            "identities": [
                {"provider": provider.label, "subject": identity.subject, "email": identity.email}
                for identity, provider in identities
            ],
            "api_keys": [
                {"name": key.name, "prefix": key.prefix, "scopes": key.scopes, "created_at": _time(key.created_at)}
                for key in keys
            ],
            "sessions": [
                {
                    "browser": each.user_agent,
                    "address": each.address,
                    "created_at": _time(each.created_at),
                    "last_used_at": _time(each.last_used_at),
                }
                for each in open_sessions
            ],
        }
        yield ArchiveFile("profile.json", as_json(profile))
        yield ArchiveFile("activity.csv", self._activity(person))

    async def erase(self, person: Person) -> Mapping[str, int]:
        """Delete the account: its sessions, keys, memberships and identities go with it."""
        scope = Scope(person.organization_id)
        async with self._database.writing(alone=True) as session:
            for asked in await _asked_to_join(session, person):
                await session.delete(asked)
            entries = await _erase_from_audit_log(session, person)
            created = scope.update(Invitation).where(Invitation.created_by == person.user_id)
            await session.execute(created.values(created_by=ERASED_NAME))
            await session.execute(scope.delete(User).where(User.id == person.user_id))
        return {"api_keys": len(person.key_ids), "audit_entries_without_name": entries}

    async def _activity(self, person: Person) -> AsyncIterator[bytes]:
        """What the audit log has of the person's own actions."""
        yield csv_line(["at", "action", "object", "name"])
        last = 0
        while True:
            query = _entries(person).where(AuditEntry.actor_id == person.user_id, AuditEntry.id > last)
            async with self._database.reading() as session:
                rows = list(await session.scalars(query.order_by(AuditEntry.id).limit(_ENTRIES_AT_ONCE)))
            for row in rows:
                yield csv_line([_time(row.at), row.action, row.object_id, row.object_name])
                last = row.id
            if len(rows) < _ENTRIES_AT_ONCE:
                return


async def _asked_to_join(session: AsyncSession, person: Person) -> list[WaitingListEntry]:
    invitations = await _own_invitations(session, person)
    scope = Scope(person.organization_id)
    return await waiting_list.of_person(session, scope, email=person.email, invitation_ids=invitations)


async def _own_invitations(session: AsyncSession, person: Person) -> list[str]:
    """The invitations for one person by which this one joined: their notes name them."""
    scope = Scope(person.organization_id)
    joined = scope.select(AuditEntry).where(AuditEntry.actor_id == person.user_id, AuditEntry.action == "user.joined")
    ids = [row.detail.get("invitation_id") for row in await session.scalars(joined)]
    query = scope.select(Invitation).where(Invitation.id.in_(ids), Invitation.uses == 1)
    return list(await session.scalars(query.with_only_columns(Invitation.id)))


def _entries(person: Person, *more: str) -> Select[AuditEntry]:
    """The entries by and about the person, their keys, and ``more``."""
    ids = (person.user_id, *person.key_ids, *more)
    query = Scope(person.organization_id).select(AuditEntry)
    return query.where(or_(AuditEntry.actor_id.in_(ids), AuditEntry.object_id.in_(ids)))


async def _erase_from_audit_log(session: AsyncSession, person: Person) -> int:
    """Take the person's name out of the entries by and about them; which account did what stays. Returns how many."""
    invitations = await _own_invitations(session, person)
    notes = Scope(person.organization_id).update(Invitation).where(Invitation.id.in_(invitations))
    await session.execute(notes.values(note=""))
    ids = {person.user_id, *person.key_ids}
    rows: Sequence[AuditEntry] = list(await session.scalars(_entries(person, *invitations)))
    for row in rows:
        by_person = row.actor_id in ids
        about_person = (
            row.object_id in ids or row.object_id in invitations or (by_person and row.action.startswith("file."))
        )
        values = {
            "actor_name": ERASED_NAME if by_person else row.actor_name,
            "object_name": ERASED_NAME if about_person else row.object_name,
            "detail": {key: value for key, value in row.detail.items() if key not in _PERSONAL_DETAIL},
        }
        statement = Scope(person.organization_id).update(AuditEntry).where(AuditEntry.id == row.id)
        await session.execute(statement.values(**values).execution_options(synchronize_session=False))
    return len(rows)


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
