"""Usage as a person's data. It is what bills are made of, so it stays: without the account it names nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import tuple_

from aquilon.money.store import budgets, limits, person_quotas
from aquilon.money.tables import StoredUsageEvent
from aquilon.people.personal_data import ArchiveFile, Person, csv_line
from aquilon.people.scope import Scope
from aquilon.storage import Database

_EVENTS_AT_ONCE = 1000
_COLUMNS = ("model", "prompt_tokens", "cached_tokens", "completion_tokens", "outcome", "latency_ms", "cost")


class UsageData:
    tables = frozenset({"usage_events", "usage_totals", "person_quotas", "budgets", "limits"})

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, person: Person) -> AsyncIterator[ArchiveFile]:
        yield ArchiveFile("usage.csv", self._usage(person))

    async def erase(self, person: Person) -> Mapping[str, int]:
        """Remove what was set for the person alone: quotas, and the keys' budgets and limits."""
        scope = Scope(person.organization_id)
        async with self._database.writing(alone=True) as session:
            await person_quotas.remove_exceptions(session, scope, person.user_id)
            for budget in await budgets.budgets(session, scope):
                if budget.subject_id in person.key_ids:
                    await budgets.remove_budget(session, scope, budget.id)
            for limit in await limits.limits(session, scope):
                if limit.subject_id in person.key_ids:
                    await limits.remove_limit(session, scope, limit.id)
        return {}

    async def _usage(self, person: Person) -> AsyncIterator[bytes]:
        yield csv_line(["ended_at", "request_id", *_COLUMNS[:-1], "cost_microcents"])
        place = tuple_(StoredUsageEvent.ended_at, StoredUsageEvent.request_id)
        scope, last = person.scope, (-1, "")
        while True:
            query = scope.select(StoredUsageEvent).where(place > last)
            query = query.order_by(StoredUsageEvent.ended_at, StoredUsageEvent.request_id).limit(_EVENTS_AT_ONCE)
            async with self._database.reading() as session:
                rows = list(await session.scalars(query))
            lines = []
            for row in rows:
                ended_at = datetime.fromtimestamp(row.ended_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                lines.append(csv_line([ended_at, row.request_id, *(getattr(row, name) for name in _COLUMNS)]))
                last = (row.ended_at, row.request_id)
            yield b"".join(lines)
            if len(rows) < _EVENTS_AT_ONCE:
                return
