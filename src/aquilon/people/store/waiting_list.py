"""Queries over waiting lists: people who asked to join, and which organizations let them ask."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import func, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.scope import Everyone, Scope
from aquilon.people.secrets import new_id
from aquilon.people.tables import OpenWaitingList, Organization, WaitingListEntry


async def opened_at(session: AsyncSession, scope: Scope) -> int | None:
    """When the organization opened its list; None if nobody may ask to join."""
    return await session.scalar(scope.select(OpenWaitingList).with_only_columns(OpenWaitingList.opened_at))


async def set_open(session: AsyncSession, scope: Scope, is_open: bool) -> None:
    if is_open == (await opened_at(session, scope) is not None):
        return
    if is_open:
        session.add(OpenWaitingList(organization_id=scope.organization_id, opened_at=int(time.time())))
    else:
        await session.execute(scope.delete(OpenWaitingList))
    await session.flush()


async def open_organization(session: AsyncSession, id_or_name: str | None) -> str | None:
    """The id of an organization whose list is open, by default the one that runs the server; None if it isn't open."""
    query = (
        Everyone.select(OpenWaitingList)
        .join(Organization, Organization.id == OpenWaitingList.organization_id)
        .where(Organization.disabled_at.is_(None))
        .with_only_columns(Organization.id)
    )
    if id_or_name is None:
        query = query.where(Organization.operates)
    else:
        query = query.where(or_(Organization.id == id_or_name, Organization.name == id_or_name))
    return await session.scalar(query.limit(1))


async def add(session: AsyncSession, scope: Scope, name: str, *, email: str, reason: str) -> None:
    """Add somebody at the end; who is on the list already stays where they are."""
    known = scope.select(WaitingListEntry).where(WaitingListEntry.email == email)
    if await session.scalar(known) is None:
        entry = WaitingListEntry(
            id=new_id("entry"),
            organization_id=scope.organization_id,
            name=name,
            email=email,
            reason=reason,
            status="waiting",
            created_at=int(time.time()),
        )
        session.add(entry)
        await session.flush()


async def count(session: AsyncSession, scope: Scope, status: str = "waiting") -> int:
    query = scope.select(WaitingListEntry).where(WaitingListEntry.status == status)
    return int(await session.scalar(query.with_only_columns(func.count())) or 0)


async def page(
    session: AsyncSession, scope: Scope, status: str, *, search: str = "", after: str | None = None, limit: int
) -> Sequence[WaitingListEntry]:
    """The oldest first; ``search`` is a part of a name or an address."""
    place = tuple_(WaitingListEntry.created_at, WaitingListEntry.id)
    query = scope.select(WaitingListEntry).where(WaitingListEntry.status == status)
    if search:
        part = search.lower()
        query = query.where(
            or_(
                WaitingListEntry.email.contains(part, autoescape=True),
                func.lower(WaitingListEntry.name).contains(part, autoescape=True),
            )
        )
    if after is not None:
        last = scope.select(WaitingListEntry).where(WaitingListEntry.id == after)
        columns = last.with_only_columns(WaitingListEntry.created_at, WaitingListEntry.id)
        if (row := (await session.execute(columns)).first()) is not None:
            query = query.where(place > tuple_(*row))
    query = query.order_by(WaitingListEntry.created_at, WaitingListEntry.id).limit(limit)
    return list(await session.scalars(query))


async def by_id(session: AsyncSession, scope: Scope, entry_id: str) -> WaitingListEntry | None:
    return await session.scalar(scope.select(WaitingListEntry).where(WaitingListEntry.id == entry_id))


async def decide(
    session: AsyncSession, scope: Scope, entry_id: str, *, status: str, invitation_id: str | None = None
) -> WaitingListEntry | None:
    """Admit or refuse somebody who waits; None if they don't wait (any more)."""
    waiting = scope.update(WaitingListEntry).where(
        WaitingListEntry.id == entry_id, WaitingListEntry.status == "waiting"
    )
    values = waiting.values(status=status, decided_at=int(time.time()), invitation_id=invitation_id)
    statement = values.returning(WaitingListEntry).execution_options(synchronize_session=False)
    return await session.scalar(statement)


async def remove(session: AsyncSession, scope: Scope, entry_id: str) -> WaitingListEntry | None:
    query = scope.delete(WaitingListEntry).where(WaitingListEntry.id == entry_id).returning(WaitingListEntry)
    return await session.scalar(query)


async def of_person(
    session: AsyncSession, scope: Scope, *, email: str | None, invitation_ids: Sequence[str]
) -> list[WaitingListEntry]:
    """The entries under a person's address, and those whose invitations they joined by, whatever their address."""
    is_theirs = or_(WaitingListEntry.email == email, WaitingListEntry.invitation_id.in_(invitation_ids))
    return list(await session.scalars(scope.select(WaitingListEntry).where(is_theirs)))


async def prune(session: AsyncSession, *, decided_before: int, asked_before: int, most: int) -> int:
    """Delete some who were admitted or refused, or asked, before these times; returns how many."""
    old = or_(WaitingListEntry.decided_at < decided_before, WaitingListEntry.created_at < asked_before)
    ids = Everyone.select(WaitingListEntry).where(old).with_only_columns(WaitingListEntry.id).limit(most)
    deleted = Everyone.delete(WaitingListEntry).where(WaitingListEntry.id.in_(ids))
    return len((await session.execute(deleted.returning(WaitingListEntry.id))).all())
