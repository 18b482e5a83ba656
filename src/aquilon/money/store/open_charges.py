"""Queries over what running answers owe if their process dies."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.tables import ApiProcess, OpenCharge
from aquilon.people.scope import Everyone
from aquilon.storage.rows import Statement

ADD = Statement(insert(OpenCharge))
_OF_REQUEST = OpenCharge.request_id == bindparam("request")
NOTE = Statement(Everyone.update(OpenCharge).where(_OF_REQUEST).values(event=bindparam("new_event")))
REMOVE = Statement(Everyone.delete(OpenCharge).where(_OF_REQUEST))


async def take_abandoned(session: AsyncSession, process_id: str, *, alone: bool) -> Sequence[str]:
    """Remove those whose process is gone, and return their events. ``alone``: no other process uses this database."""
    living = OpenCharge.process_id == process_id if alone else OpenCharge.process_id.in_(select(ApiProcess.id))
    return list(await session.scalars(Everyone.delete(OpenCharge).where(~living).returning(OpenCharge.event)))
