"""What answers that aren't stored owe if their process is killed: noted while they run, billed by who finds it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

import msgspec
from sqlalchemy.exc import DBAPIError

from aquilon.log import get_logger
from aquilon.money.settlement import Charge
from aquilon.money.store import open_charges as stored
from aquilon.money.store import usage
from aquilon.money.usage_event import UsageEvent
from aquilon.money.usage_writer import Also
from aquilon.storage import Database
from aquilon.storage.rows import Write, write

NOTE_SECONDS = 0.25
"""How often what they owe is written. A process that is killed bills all but what it sent since."""

log = get_logger("aquilon.charges")


class OpenCharges:
    def __init__(self, database: Database, *, process_id: str) -> None:
        """``process_id``: as in ``api_processes``, if several processes share the database."""
        self._database = database
        self._process_id = process_id
        self._open: list[Charge] = []
        self._noting: asyncio.Task[None] | None = None

    async def add(self, charge: Charge) -> Also:
        """Keep note of a charge until it ends; returns what is to be written with its usage event.

        Raises DBAPIError, sqlite3.Error.
        """
        row = {
            "request_id": charge.request_id,
            "organization_id": charge.principal.organization_id,
            "process_id": self._process_id,
            "event": _encoded(charge.if_killed()),
        }
        await write(self._database, [(stored.ADD, [row])])
        self._open.append(charge)
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._keep_noting())
        return self._removal

    async def recover(self) -> int:
        """Bill what those owe whose process is gone; returns how many."""
        async with self._database.writing() as session:
            alone = not self._database.is_shared
            events = await stored.take_abandoned(session, self._process_id, alone=alone)
            await usage.record(session, [msgspec.json.decode(event, type=UsageEvent) for event in events])
        return len(events)

    @staticmethod
    def _removal(event: UsageEvent) -> Sequence[Write]:
        return [(stored.REMOVE, [{"request": event.request_id}])]

    async def _keep_noting(self) -> None:
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            self._open = [charge for charge in self._open if not charge.ended]
            if not self._open:
                return
            notes = [{"request": charge.request_id, "new_event": _encoded(charge.if_killed())} for charge in self._open]
            try:
                await write(self._database, [(stored.NOTE, notes)])
            except (DBAPIError, sqlite3.Error, OSError) as error:
                log.warning("What running answers owe can't be written now", error=str(error))


def _encoded(event: UsageEvent) -> str:
    return msgspec.json.encode(event).decode()
