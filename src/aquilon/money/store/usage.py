"""Queries over usage. One transaction records a request's event once, its totals and what budgets paid."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from sqlalchemy import func, literal
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.tables import BudgetSpending, StoredUsageEvent, UsageTotal
from aquilon.money.usage_event import UsageEvent
from aquilon.people.scope import Everyone, Scope
from aquilon.people.tables import ApiKey, User, Workspace
from aquilon.storage.rows import insert_of

Span = Literal["hour", "day"]
SECONDS: Mapping[Span, int] = {"hour": 3600, "day": 86_400}
Facet = Literal["model", "key", "member", "workspace"]
FACETS: tuple[Facet, ...] = get_args(Facet)

_COUNTS = ("requests", "batch_requests", "prompt_tokens", "cached_tokens", "completion_tokens", "cost")
_EVENTS_PRUNED_AT_ONCE = 500


@dataclass(frozen=True)
class UsageRow:
    """The usage of an hour or a day. A facet that was not asked for is None."""

    starts_at: int
    workspace: str | None
    member: str | None
    key_id: str | None
    key: str | None
    """The key's name; empty for requests that came with a session."""
    model: str | None
    requests: int
    batch_requests: int
    """Of ``requests``, those that were lines of batch jobs."""
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost: int
    """Millionths of a cent."""


async def record(session: AsyncSession, events: Sequence[UsageEvent]) -> dict[tuple[str, int, str], int]:
    """Store the new ones of these events and add them to the totals. An event that is stored already changes nothing.

    Returns what the new events spent, by budget, start of its period and organization.
    """
    unique = {event.request_id: event for event in events}
    if not unique:
        return {}
    connection = await session.connection()
    writes = _Writes.of(connection.dialect.name)
    new_ids = await connection.scalars(writes.event, [_row(event) for event in unique.values()])
    sums = _Sums.of([unique[request_id] for request_id in new_ids])
    for statement, rows in ((writes.total, sums.totals), (writes.spending, sums.spending)):
        if rows:
            await connection.execute(statement, rows)
    return sums.spent


def record_at_once(connection: sqlite3.Connection, events: Sequence[UsageEvent]) -> None:
    """Do the same as ``record`` on SQLite's own connection, in its open transaction."""
    writes = _TEXTS
    new = [event for event in events if connection.execute(writes.event, _row(event)).fetchone() is not None]
    sums = _Sums.of(new)
    connection.executemany(writes.total, sums.totals)
    connection.executemany(writes.spending, sums.spending)


@dataclass(frozen=True)
class _Sums:
    """The sums of events. Rows are sorted, so that two writers can't deadlock."""

    totals: list[dict[str, Any]]
    spending: list[dict[str, Any]]
    spent: dict[tuple[str, int, str], int]

    @classmethod
    def of(cls, events: Sequence[UsageEvent]) -> _Sums:
        totals: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(_COUNTS))
        spent: dict[tuple[str, int, str], int] = defaultdict(int)
        for event in events:
            if event.outcome == "refused":
                continue
            tokens = (event.usage.prompt_tokens, event.usage.cached_tokens, event.usage.completion_tokens)
            counts = (1, int(event.batch), *tokens, event.cost)
            owners = (event.organization_id, event.workspace_id, event.user_id, event.api_key_id or "", event.model)
            for span, seconds in SECONDS.items():
                total = totals[(span, event.ended_at // seconds * seconds, *owners)]
                total[:] = map(sum, zip(total, counts, strict=True))
            for budget_id, starts_at in event.budget_lines:
                spent[(budget_id, starts_at, event.organization_id)] += event.cost
            for line_id, starts_at, used in event.quota_lines:
                spent[(line_id, starts_at, event.organization_id)] += used
        return cls(
            [dict(zip(_TOTAL_COLUMNS, (*key, *counts), strict=True)) for key, counts in sorted(totals.items())],
            [dict(zip(_SPENDING_COLUMNS, (*key, cost), strict=True)) for key, cost in sorted(spent.items())],
            spent,
        )


async def totals(
    session: AsyncSession,
    scope: Scope,
    *,
    span: Span,
    since: int,
    until: int,
    by: Sequence[Facet] = (),
    workspace_id: str | None = None,
) -> list[UsageRow]:
    """Usage of each hour or day from ``since`` until before ``until``, oldest first, one row for each value of ``by``.

    With ``workspace_id``, only that workspace's usage.
    """
    absent = literal(None)
    columns = {
        "workspace": func.coalesce(Workspace.name, UsageTotal.workspace_id) if "workspace" in by else absent,
        "member": func.coalesce(User.name, UsageTotal.user_id) if "member" in by else absent,
        "key_id": UsageTotal.api_key_id if "key" in by else absent,
        "key": func.coalesce(ApiKey.name, UsageTotal.api_key_id) if "key" in by else absent,
        "model": UsageTotal.model if "model" in by else absent,
    }
    groups = [UsageTotal.starts_at, *(column for column in columns.values() if column is not absent)]
    query = (
        scope.select(UsageTotal)
        .outerjoin(Workspace, Workspace.id == UsageTotal.workspace_id)
        .outerjoin(User, User.id == UsageTotal.user_id)
        .outerjoin(ApiKey, ApiKey.id == UsageTotal.api_key_id)
        .where(UsageTotal.span == span, UsageTotal.starts_at >= since, UsageTotal.starts_at < until)
        .with_only_columns(
            UsageTotal.starts_at,
            *columns.values(),
            *(func.sum(getattr(UsageTotal, name)) for name in _COUNTS),
            maintain_column_froms=True,
        )
        .group_by(*groups)
        .order_by(*groups)
    )
    if workspace_id is not None:
        query = query.where(UsageTotal.workspace_id == workspace_id)
    rows: list[Any] = list(await session.execute(query))
    return [UsageRow(*row[:6], *(int(count) for count in row[6:])) for row in rows]


async def prune(session: AsyncSession, *, before: int, most: int = _EVENTS_PRUNED_AT_ONCE) -> int:
    """Delete at most ``most`` events that ended before ``before``; returns how many. Their totals stay."""
    old = (
        Everyone.select(StoredUsageEvent)
        .with_only_columns(StoredUsageEvent.request_id)
        .where(StoredUsageEvent.ended_at < before)
        .limit(most)
    )
    deleted = Everyone.delete(StoredUsageEvent).where(StoredUsageEvent.request_id.in_(old))
    deleted_ids = await session.execute(deleted.returning(StoredUsageEvent.request_id))
    return len(deleted_ids.all())


def _row(event: UsageEvent) -> dict[str, Any]:
    return {
        "request_id": event.request_id,
        "organization_id": event.organization_id,
        "workspace_id": event.workspace_id,
        "user_id": event.user_id,
        "api_key_id": event.api_key_id,
        "model": event.model,
        "ended_at": event.ended_at,
        "prompt_tokens": event.usage.prompt_tokens,
        "cached_tokens": event.usage.cached_tokens,
        "completion_tokens": event.usage.completion_tokens,
        "outcome": event.outcome,
        "latency_ms": event.latency_ms,
        "first_token_ms": event.first_token_ms,
        "cost": event.cost,
        "price_id": event.price_id,
        "batch": event.batch,
        "error_code": event.error_code,
    }


@dataclass(frozen=True)
class _Writes:
    """The INSERT statements with ON CONFLICT."""

    event: Any
    total: Any
    spending: Any

    @classmethod
    @cache
    def of(cls, dialect: str) -> _Writes:
        insert = insert_of(dialect)
        event = insert(StoredUsageEvent.__table__)
        return cls(
            event.on_conflict_do_nothing().returning(StoredUsageEvent.__table__.c.request_id),
            cls._adding(insert(UsageTotal.__table__), _COUNTS),
            cls._adding(insert(BudgetSpending.__table__), ("spent",)),
        )

    @staticmethod
    def _adding(insert: Any, names: Sequence[str]) -> Any:
        """Insert a row, or add to the existing one."""
        sums = {name: insert.table.c[name] + insert.excluded[name] for name in names}
        return insert.on_conflict_do_update(index_elements=list(insert.table.primary_key), set_=sums)

    def texts(self, dialect: Any) -> _Writes:
        """The statements as SQL with named parameters."""
        compiled = dialect.dialect(paramstyle="named")
        return _Writes(
            *(str(statement.compile(dialect=compiled)) for statement in (self.event, self.total, self.spending))
        )


_TEXTS = _Writes.of("sqlite").texts(sqlite)
_TOTAL_COLUMNS = (
    "span",
    "starts_at",
    "organization_id",
    "workspace_id",
    "user_id",
    "api_key_id",
    "model",
    *_COUNTS,
)
_SPENDING_COLUMNS = ("budget_id", "starts_at", "organization_id", "spent")
