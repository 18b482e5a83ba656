"""Queries over runs and their events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ColumnElement, Select, String, bindparam, cast, func, insert, null, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.store.conversations import visible
from aquilon.conversations.store.items import OPEN_RUNS
from aquilon.conversations.tables import RunEvents, StoredConversation, StoredItem, StoredRun
from aquilon.money.tables import ApiProcess
from aquilon.money.usage_event import Usage
from aquilon.people.identity import Principal
from aquilon.people.scope import Everyone, Scope
from aquilon.storage.rows import Insert, Statement

ADD = Statement(insert(StoredRun))


def _add_events(insert_into: Insert) -> Any:
    adding = insert_into(RunEvents)
    key = list(RunEvents.__table__.primary_key)
    return adding.on_conflict_do_update(index_elements=key, set_={"events": adding.excluded.events})


ADD_EVENTS = Statement(_add_events)
"""A writer that doesn't know whether its last events were committed writes them again, and those that came since."""
_OF_RUN = (StoredRun.organization_id == bindparam("owner"), StoredRun.id == bindparam("run"))
NOTE = Statement(
    Everyone.update(StoredRun)
    .where(*_OF_RUN, StoredRun.process_id.is_not(None))  # not one that another process has ended
    .values(status=bindparam("new_status"), unbilled=bindparam("new_unbilled"))
)
_END: dict[str, Any] = {
    name: bindparam(f"new_{name}")
    for name in (
        "status",
        "reason",
        "error",
        "model",
        "prompt_tokens",
        "cached_tokens",
        "completion_tokens",
        "reasoning_tokens",
        "ended_at",
    )
}
_END["leaf_id"] = func.coalesce(bindparam("new_leaf_id", type_=String), StoredRun.leaf_id)
END = Statement(Everyone.update(StoredRun).where(*_OF_RUN).values(**_END, process_id=null(), unbilled=null()))
"""``owner`` is an organization's id, ``run`` the run's. A run without output keeps its last item."""


def _visible(principal: Principal) -> Select[StoredRun]:
    seen = visible(principal).with_only_columns(StoredConversation.id)
    return Scope.of_organization(principal).select(StoredRun).where(StoredRun.conversation_id.in_(seen))


async def by_id(session: AsyncSession, principal: Principal, run_id: str) -> StoredRun | None:
    """A run of a conversation that the caller may see."""
    return await session.scalar(_visible(principal).where(StoredRun.id == run_id))


async def of_request(
    session: AsyncSession, principal: Principal, conversation_id: str, request_id: str
) -> StoredRun | None:
    """The run that a client's request began, in a conversation that the caller may see."""
    of_conversation = _visible(principal).where(StoredRun.conversation_id == conversation_id)
    return await session.scalar(of_conversation.where(StoredRun.request_id == request_id))


async def page(
    session: AsyncSession,
    principal: Principal,
    *,
    dialect: str,
    labels: Mapping[str, str],
    model: str | None,
    after: str | None,
    oldest_first: bool,
    limit: int,
) -> Sequence[StoredRun]:
    """A page of the answers in one dialect that have all these labels; ids order by time."""
    query = _visible(principal).where(StoredRun.dialect == dialect, StoredRun.status.in_(("completed", "incomplete")))
    if model is not None:
        query = query.where(StoredRun.model == model)
    database = (await session.connection()).dialect.name
    for key, value in labels.items():
        query = query.where(_has_label(key, value, database=database))
    if after is not None:
        query = query.where(StoredRun.id > after if oldest_first else StoredRun.id < after)
    order = StoredRun.id.asc() if oldest_first else StoredRun.id.desc()
    return list(await session.scalars(query.order_by(order).limit(limit)))


async def open_in(session: AsyncSession, principal: Principal, conversation_ids: Sequence[str]) -> Sequence[StoredRun]:
    """The runs that have not ended, of those of these conversations that the caller may see."""
    query = _visible(principal).where(StoredRun.conversation_id.in_(conversation_ids), StoredRun.status.in_(OPEN_RUNS))
    return list(await session.scalars(query))


async def open_of_person(session: AsyncSession, scope: Scope) -> Sequence[StoredRun]:
    """The runs that have not ended in all conversations of the scope's user, and what they asked for elsewhere."""
    own = scope.select(StoredConversation).with_only_columns(StoredConversation.id)
    theirs = or_(StoredRun.conversation_id.in_(own), StoredRun.asked_by == scope.user_id)
    return list(await session.scalars(scope.select(StoredRun).where(theirs, StoredRun.status.in_(OPEN_RUNS))))


async def asked_elsewhere(session: AsyncSession, scope: Scope, *, after: str, most: int) -> Sequence[StoredRun]:
    """Runs with ids above ``after`` that answer questions of the scope's user in conversations of other people."""
    own = scope.select(StoredConversation).with_only_columns(StoredConversation.id)
    asks = scope.select(StoredItem).where(StoredItem.run_id == StoredRun.id, ~StoredItem.output).exists()
    query = scope.select(StoredRun).where(StoredRun.asked_by == scope.user_id, StoredRun.id > after, asks)
    query = query.where(StoredRun.conversation_id.not_in(own))
    return list(await session.scalars(query.order_by(StoredRun.id).limit(most)))


async def forget_asker(session: AsyncSession, scope: Scope) -> None:
    """Answers to other people's questions that the scope's user asked for once more stay, beside no name."""
    await session.execute(scope.update(StoredRun).where(StoredRun.asked_by == scope.user_id).values(asked_by=None))


async def answering(session: AsyncSession, scope: Scope, run: StoredRun) -> Sequence[str]:
    """The ids of the runs that answer a run's question: itself, and those that were asked for below it once more."""
    asked = scope.select(StoredItem).where(StoredItem.run_id == run.id, ~StoredItem.output)
    below = scope.select(StoredItem).where(
        StoredItem.conversation_id == run.conversation_id,
        StoredItem.output,
        StoredItem.run_id.is_not(None),
        StoredItem.parent_id.in_(asked.with_only_columns(StoredItem.id)),
    )
    return sorted({run.id, *await session.scalars(below.with_only_columns(StoredItem.run_id))})


async def others_asked(session: AsyncSession, scope: Scope, conversation_id: str, user_id: str) -> bool:
    """Whether somebody else than this user is known to have asked in a conversation."""
    query = scope.select(StoredRun).where(StoredRun.conversation_id == conversation_id, StoredRun.asked_by != user_id)
    return await session.scalar(query.with_only_columns(StoredRun.id).limit(1)) is not None


@dataclass(frozen=True, kw_only=True)
class RunState:
    """How far a run is, and what it has used."""

    id: str
    status: str
    model: str
    leaf_id: str | None
    """Its last item; while it is open, the one that its answer is below."""
    reason: str | None
    error: str | None
    usage: Usage
    created_at: int
    ended_at: int | None
    asked_by: str | None


async def states(
    session: AsyncSession, scope: Scope, conversation_id: str, run_ids: Collection[str]
) -> Sequence[RunState]:
    """Those of these runs that belong to the conversation, and its open ones; the oldest first."""
    table = StoredRun
    query = scope.select(table).where(
        table.conversation_id == conversation_id, or_(table.id.in_(run_ids), table.status.in_(OPEN_RUNS))
    )
    columns = (table.id, table.status, table.model, table.leaf_id, table.reason, table.error)
    since = (table.created_at, table.ended_at, table.asked_by)
    tokens = (table.prompt_tokens, table.completion_tokens, table.cached_tokens, table.reasoning_tokens)
    rows = await session.execute(
        query.with_only_columns(*columns, *since, *tokens).order_by(table.created_at, table.id)
    )
    return [
        RunState(
            id=row.id,
            status=row.status,
            model=row.model,
            leaf_id=row.leaf_id,
            reason=row.reason,
            error=row.error,
            usage=Usage(row.prompt_tokens, row.completion_tokens, row.cached_tokens, row.reasoning_tokens),
            created_at=row.created_at,
            ended_at=row.ended_at,
            asked_by=row.asked_by,
        )
        for row in rows
    ]


async def models(session: AsyncSession, scope: Scope, conversation_id: str) -> dict[str, str]:
    """By run, the model that answered, for all runs of a conversation."""
    query = scope.select(StoredRun).where(StoredRun.conversation_id == conversation_id)
    columns = query.with_only_columns(StoredRun.id, StoredRun.model)
    return {row[0]: row[1] for row in await session.execute(columns)}


async def askers(session: AsyncSession, scope: Scope, conversation_id: str) -> dict[str, str]:
    """By run, the user who asked, for all runs of a conversation of which that is known."""
    query = scope.select(StoredRun).where(StoredRun.conversation_id == conversation_id)
    rows = await session.execute(query.with_only_columns(StoredRun.id, StoredRun.asked_by))
    return {run_id: user_id for run_id, user_id in rows if user_id is not None}


def _has_label(key: str, value: str, *, database: str) -> ColumnElement[bool]:
    if database == "sqlite":
        labels = func.json_each(StoredRun.labels).table_valued("key", "value")
    else:
        labels = func.json_each_text(cast(StoredRun.labels, JSON)).table_valued("key", "value")
    return select(labels).where(labels.c.key == key, labels.c.value == value).correlate(StoredRun).exists()


async def latest_models(session: AsyncSession, scope: Scope, conversation_ids: Sequence[str]) -> dict[str, str]:
    """By conversation, the model of its latest run, if it has one."""
    order = (StoredRun.created_at.desc(), StoredRun.id.desc())
    number = func.row_number().over(partition_by=StoredRun.conversation_id, order_by=order).label("number")
    numbered = (
        scope.select(StoredRun)
        .where(StoredRun.conversation_id.in_(conversation_ids))
        .with_only_columns(StoredRun.conversation_id, StoredRun.model, number)
        .subquery()
    )
    latest = select(numbered.c.conversation_id, numbered.c.model).where(numbered.c.number == 1)
    return {row[0]: row[1] for row in await session.execute(latest)}


async def items_of(session: AsyncSession, scope: Scope, run_id: str, *, output: bool) -> Sequence[StoredItem]:
    """A run's input or output, in order."""
    query = scope.select(StoredItem).where(StoredItem.run_id == run_id, StoredItem.output.is_(output))
    return list(await session.scalars(query.order_by(StoredItem.branch, StoredItem.depth)))


async def outputs_of(
    session: AsyncSession, principal: Principal, run_ids: Sequence[str]
) -> dict[str, list[StoredItem]]:
    """By run, the outputs of these runs, each in order. The caller has checked that they may be seen."""
    outputs: dict[str, list[StoredItem]] = {run_id: [] for run_id in run_ids}
    query = Scope.of_organization(principal).select(StoredItem).where(StoredItem.run_id.in_(run_ids))
    query = query.where(StoredItem.output.is_(True)).order_by(StoredItem.branch, StoredItem.depth)
    for row in await session.scalars(query):
        if row.run_id is not None:
            outputs[row.run_id].append(row)
    return outputs


async def label(session: AsyncSession, scope: Scope, run_id: str, labels: str) -> None:
    """``labels``: JSON."""
    await session.execute(scope.update(StoredRun).where(StoredRun.id == run_id).values(labels=labels))


async def events_from(session: AsyncSession, scope: Scope, run_id: str, *, number: int) -> Sequence[RunEvents]:
    """The rows that have the events from ``number`` on; the first row may begin before it."""
    query = scope.select(RunEvents).where(RunEvents.run_id == run_id)
    earlier = query.where(RunEvents.first <= number).with_only_columns(RunEvents.first)
    begins = await session.scalar(earlier.order_by(RunEvents.first.desc()).limit(1))
    later = query.where(RunEvents.first >= (number if begins is None else begins))
    return list(await session.scalars(later.order_by(RunEvents.first)))


async def delete(session: AsyncSession, scope: Scope, run_id: str) -> None:
    await session.execute(scope.delete(StoredRun).where(StoredRun.id == run_id))


async def request_end(session: AsyncSession, scope: Scope, run_id: str) -> bool:
    """Ask the process that computes a run to end it; False if it has ended."""
    query = scope.update(StoredRun).where(StoredRun.id == run_id, StoredRun.status.in_(OPEN_RUNS))
    changed = await session.execute(query.values(cancelling=True).returning(StoredRun.id))
    return changed.first() is not None


async def wanted(session: AsyncSession, run_ids: Collection[str]) -> Collection[str]:
    """Those of these runs that go on: no one asked for their end, deleted them, or ended them for a dead process."""
    query = Everyone.select(StoredRun).where(
        StoredRun.id.in_(run_ids), StoredRun.cancelling.is_(False), StoredRun.status.in_(OPEN_RUNS)
    )
    return set(await session.scalars(query.with_only_columns(StoredRun.id)))


async def abandoned(session: AsyncSession, process_id: str, *, alone: bool) -> Sequence[StoredRun]:
    """Runs that have not ended, and whose process is gone. ``alone``: no other process uses this database."""
    query = Everyone.select(StoredRun).where(StoredRun.status.in_(OPEN_RUNS))
    if alone:
        return list(await session.scalars(query.where(StoredRun.process_id != process_id)))
    alive = select(ApiProcess.id)
    return list(await session.scalars(query.where(StoredRun.process_id.not_in(alive))))


async def take_over(session: AsyncSession, run: StoredRun) -> bool:
    """Mark an abandoned run as ended; False if another process did so first."""
    query = Everyone.update(StoredRun).where(StoredRun.id == run.id, StoredRun.status.in_(OPEN_RUNS))
    changed = await session.execute(
        query.where(StoredRun.organization_id == run.organization_id)
        .values(status="failed", process_id=None)
        .returning(StoredRun.id)
    )
    return changed.first() is not None


async def forget_events(session: AsyncSession, *, before: int, most: int) -> int:
    """Delete the events of at most ``most`` rows of runs that ended before this time; returns how many."""
    ended = Everyone.select(StoredRun).where(StoredRun.ended_at < before).with_only_columns(StoredRun.id)
    old = Everyone.select(RunEvents).where(RunEvents.run_id.in_(ended)).limit(most)
    deleted = 0
    for row in await session.scalars(old):
        await session.delete(row)
        deleted += 1
    return deleted
