"""Announcements: plain text that an organization's people see on top of the chat and the console for a while."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from aquilon.chat.tables.settings import Announcement
from aquilon.errors import invalid
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.people.store import audit
from aquilon.storage import Database

Level = Literal["info", "warning"]
MAX_CHARACTERS = 500
MOST = 50
"""How many an organization may have, past ones included."""


async def current(database: Database, principal: Principal) -> Sequence[Announcement]:
    """Those that are shown now, the newest first."""
    now = int(time.time())
    query = Scope.of_organization(principal).select(Announcement)
    query = query.where(Announcement.starts_at <= now, (Announcement.ends_at.is_(None)) | (Announcement.ends_at > now))
    async with database.reading() as session:
        return list(await session.scalars(query.order_by(Announcement.starts_at.desc(), Announcement.id.desc())))


async def every(database: Database, principal: Principal) -> Sequence[Announcement]:
    """Past and future ones too. Raises ApiError 403."""
    require(principal, "organization.update")
    query = Scope.of_organization(principal).select(Announcement)
    async with database.reading() as session:
        return list(await session.scalars(query.order_by(Announcement.starts_at.desc(), Announcement.id.desc())))


async def add(
    database: Database,
    principal: Principal,
    text: str,
    *,
    level: Level,
    dismissible: bool,
    starts_at: int | None,
    ends_at: int | None,
) -> Announcement:
    """``starts_at`` is now, if None. Raises ApiError 400 or 403."""
    require(principal, "organization.update")
    text, now = text.strip(), int(time.time())
    if not 0 < len(text) <= MAX_CHARACTERS or not text.replace("\n", "").isprintable():
        raise invalid(
            f"An announcement has 1 to {MAX_CHARACTERS} printable characters",
            param="text",
            code="announcement_text_invalid",
            values={"most": MAX_CHARACTERS},
        )
    begin = now if starts_at is None else starts_at
    if ends_at is not None and ends_at <= max(begin, now):
        raise invalid(
            "An announcement must end later than now and than it begins",
            param="ends_at",
            code="announcement_ends_too_early",
        )
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        if len(list(await session.scalars(scope.select(Announcement)))) >= MOST:
            raise invalid(
                f"There are {MOST} announcements already: delete some first",
                code="too_many_announcements",
                values={"most": MOST},
            )
        row = Announcement(
            id=new_id("announcement"),
            organization_id=scope.organization_id,
            text=text,
            level=level,
            dismissible=dismissible,
            starts_at=begin,
            ends_at=ends_at,
            created_at=now,
        )
        session.add(row)
        await session.flush()
        await audit.record(session, principal, "announcement.created", object_id=row.id, object_name=text[:100])
        return row


async def remove(database: Database, principal: Principal, announcement_id: str) -> None:
    """Raises ApiError 403 or 404."""
    require(principal, "organization.update")
    query = Scope.of_organization(principal).delete(Announcement).where(Announcement.id == announcement_id)
    async with database.writing() as session:
        text = await session.scalar(query.returning(Announcement.text))
        if text is None:
            raise no_such("announcement", announcement_id)
        await audit.record(
            session, principal, "announcement.deleted", object_id=announcement_id, object_name=text[:100]
        )
