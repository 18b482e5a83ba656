"""The log of requests: the usage events one by one, with the names of what they refer to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.tables import StoredUsageEvent
from aquilon.money.usage_event import Outcome
from aquilon.people.scope import Scope
from aquilon.people.tables import ApiKey, User, Workspace


@dataclass(frozen=True, kw_only=True)
class LoggedRequest:
    """One request, without what it asked and was answered. A deleted key's, person's or workspace's name is its id."""

    id: str
    ended_at: int
    model: str
    workspace: str
    member_id: str
    member: str
    key_id: str | None
    key: str | None
    outcome: Outcome
    error_code: str | None
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost: int
    """Millionths of a cent."""
    first_token_ms: int | None
    duration_ms: int
    batch: bool


@dataclass(frozen=True, kw_only=True)
class RequestFilter:
    """None and empty texts choose all."""

    since: int
    until: int
    model: str = ""
    key_id: str = ""
    user_id: str = ""
    outcome: str = ""
    workspace_id: str | None = None


async def latest(
    session: AsyncSession, scope: Scope, chosen: RequestFilter, *, after: str | None, limit: int
) -> Sequence[LoggedRequest]:
    """The requests that ended last first; those before the request ``after``, unless that is gone."""
    table = StoredUsageEvent
    columns: dict[str, Any] = {
        "id": table.request_id,
        "ended_at": table.ended_at,
        "model": table.model,
        "workspace": func.coalesce(Workspace.name, table.workspace_id),
        "member_id": table.user_id,
        "member": func.coalesce(User.name, table.user_id),
        "key_id": table.api_key_id,
        "key": func.coalesce(ApiKey.name, table.api_key_id),
        "outcome": table.outcome,
        "error_code": table.error_code,
        "prompt_tokens": table.prompt_tokens,
        "cached_tokens": table.cached_tokens,
        "completion_tokens": table.completion_tokens,
        "cost": table.cost,
        "first_token_ms": table.first_token_ms,
        "duration_ms": table.latency_ms,
        "batch": table.batch,
    }
    query = (
        scope.select(table)
        .outerjoin(Workspace, Workspace.id == table.workspace_id)
        .outerjoin(User, User.id == table.user_id)
        .outerjoin(ApiKey, ApiKey.id == table.api_key_id)
        .where(table.ended_at >= chosen.since, table.ended_at < chosen.until)
        .with_only_columns(*columns.values(), maintain_column_froms=True)
        .order_by(table.ended_at.desc(), table.request_id.desc())
        .limit(limit)
    )
    wanted = {
        table.model: chosen.model,
        table.api_key_id: chosen.key_id,
        table.user_id: chosen.user_id,
        table.outcome: chosen.outcome,
        table.workspace_id: chosen.workspace_id,
    }
    query = query.where(*(column == value for column, value in wanted.items() if value))
    if after is not None:
        place = scope.select(table).where(table.request_id == after).with_only_columns(table.ended_at)
        ended_at = await session.scalar(place)
        if ended_at is not None:
            query = query.where(tuple_(table.ended_at, table.request_id) < (ended_at, after))
    rows: list[Any] = list(await session.execute(query))
    return [LoggedRequest(**dict(zip(columns, row, strict=True))) for row in rows]
