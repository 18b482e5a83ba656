"""Ends the runs that a process left when it was killed."""

from __future__ import annotations

import time

import msgspec

from aquilon.conversations.answer import Answer
from aquilon.conversations.rows import end_row, events_row, output_rows
from aquilon.conversations.run import RunEnded, RunError, RunEvent, decoded_events
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.tables import StoredConversation, StoredItem, StoredRun
from aquilon.money.store import usage as stored_usage
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.people.scope import Scope
from aquilon.request import Delta, Started, ToolCallDelta
from aquilon.storage import Database
from aquilon.storage.rows import Write, write_in

KILLED = RunError(500, "server_error", "server_restarted", "The server ended while it wrote this answer")


async def end_abandoned(database: Database, run: StoredRun) -> None:
    """End a run, with what its process had written of it, and bill that."""
    scope = Scope(run.organization_id)
    async with database.writing() as session:
        if not await stored_runs.take_over(session, run):
            return
        events: list[RunEvent] = []
        for row in await stored_runs.events_from(session, scope, run.id, number=0):
            events += decoded_events(row.events)
        answer, model = Answer(run.id), run.model
        for event in events:
            if isinstance(event, Delta | ToolCallDelta) and event.index == 0:
                for _ in answer.add(event):
                    pass
            elif isinstance(event, Started):
                model = event.stand_in or model
        leaf = await session.scalar(scope.select(StoredItem).where(StoredItem.id == run.leaf_id))
        owed = None if run.unbilled is None else msgspec.json.decode(run.unbilled, type=UsageEvent)
        ended = RunEnded("failed", Usage(0, 0) if owed is None else owed.usage, "stop", KILLED)
        key = {"owner": run.organization_id, "run": run.id}
        leaf_id = run.leaf_id or ""
        if leaf is not None:
            rows, leaf_id = output_rows(
                [answer],
                run=key,
                conversation_id=run.conversation_id,
                input_leaf=leaf.id,
                branches=[leaf.branch],
                depth=leaf.depth,
            )
            await write_in(session, rows.writes)
            conversation = scope.update(StoredConversation).where(StoredConversation.id == run.conversation_id)
            await session.execute(conversation.values(head_id=leaf_id))
        writes: list[Write] = [
            (stored_runs.ADD_EVENTS, [events_row(key, len(events), [ended])]),
            (stored_runs.END, [end_row(key, ended, model=model, leaf_id=leaf_id, at=int(time.time()))]),
        ]
        await write_in(session, writes)
        if owed is not None:
            await stored_usage.record(session, [owed])
