"""Ends the runs that a process left when it was killed."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from aquilon.conversations.answer import Written, choices
from aquilon.conversations.dialects.responses_tools import ToolEcho, called_tools
from aquilon.conversations.first_words import name_by_question
from aquilon.conversations.items import CalledTool
from aquilon.conversations.rows import end_row, events_row, output_rows
from aquilon.conversations.run import RunEnded, RunError, RunEvent, decoded_events
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.tables import StoredConversation, StoredRun
from aquilon.money.store import usage as stored_usage
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.people.scope import Scope
from aquilon.request import Delta, Finished, Started, ToolCallDelta
from aquilon.storage import Database
from aquilon.storage.rows import Row, Write, write_in

KILLED = RunError(500, "server_error", "server_restarted", "The server ended while it wrote this answer")


class _Tools(msgspec.Struct):
    """What is read of the body of a run in the dialect ``responses``."""

    tools: list[ToolEcho] = []


async def end_abandoned(database: Database, run: StoredRun) -> None:
    """End a run, with what its process had written of it, and bill that."""
    scope = Scope(run.organization_id)
    async with database.writing() as session:
        if not await stored_runs.take_over(session, run):
            return
        events: list[RunEvent] = []
        for row in await stored_runs.events_from(session, scope, run.id, number=0):
            events += decoded_events(row.events)
        indexes = [event.index for event in events if isinstance(event, Delta | ToolCallDelta | Finished)]
        answers, model = choices(run.id, 1 + max(indexes, default=0), _called_tools(run)), run.model
        for event in events:
            if isinstance(event, Written):
                for _ in answers[event.index].add(event):
                    pass
            elif isinstance(event, Finished):
                for _ in answers[event.index].end(event.reason):
                    pass
            elif isinstance(event, Started):
                model = event.stand_in or model
        query = scope.select(StoredConversation).where(StoredConversation.id == run.conversation_id)
        conversation = (await session.scalars(query)).one()
        place = await stored_items.place_below(session, scope, conversation, run.leaf_id)
        assert place is not None, f"the run {run.id} has no last item"
        owed = None if run.unbilled is None else msgspec.json.decode(run.unbilled, type=UsageEvent)
        ended = RunEnded("failed", Usage(0, 0) if owed is None else owed.usage, "stop", KILLED)
        key = {"owner": run.organization_id, "run": run.id}
        branch, new_branches = place.branch, list[Row]()
        others = await stored_items.forks(session, scope, place, most=len(answers) - 1) if place.free else []
        if not place.free:  # its input was deleted, and something is below the item above
            branch = place.branches
            owner = {"organization_id": run.organization_id, "conversation_id": run.conversation_id}
            new_branches.append({**owner, "number": branch, "parent": place.branch, "forked_at": place.depth})
        rows, leaf_id = output_rows(
            answers[: 1 + len(others)],
            run=key,
            conversation_id=run.conversation_id,
            input_leaf=place.parent_id,
            branches=[branch, *others],
            depth=place.depth,
        )
        if conversation.head_id == place.parent_id:
            conversation.head_id = leaf_id or place.parent_id
        writes: list[Write] = [
            (stored_conversations.ADD_BRANCH, new_branches),
            *rows.writes,
            (stored_runs.ADD_EVENTS, [events_row(key, len(events), [ended])]),
            (stored_runs.END, [end_row(key, ended, model=model, leaf_id=leaf_id, at=int(time.time()))]),
        ]
        await write_in(session, writes)
        if leaf_id is None:
            await name_by_question(session, scope, conversation)
        if owed is not None:
            await stored_usage.record(session, [owed])


def _called_tools(run: StoredRun) -> Mapping[str, CalledTool]:
    """The custom tools, and those in namespaces, that the run's model could call."""
    if run.dialect != "responses":
        return {}
    return called_tools(msgspec.json.decode(run.body, type=_Tools).tools)
