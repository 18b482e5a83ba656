"""What changes in a conversation, for its readers: those of a workspace see each other's messages as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import runs as stored_runs
from aquilon.errors import not_found
from aquilon.people.identity import Principal
from aquilon.storage import Database

LOOK_SECONDS = 1.0
"""Between two looks at the database, where any process may have written."""
MOST_LOOKS = 600
"""Then a reader asks again, with a session that still holds."""


@dataclass(frozen=True, kw_only=True)
class State:
    title: str | None
    visibility: str
    project_id: str | None
    head_id: str | None
    updated_at: int
    edition: int
    """Grows when an item is deleted."""
    running: Sequence[str]
    """The answers that are being written, whichever contract began them: a reader can follow their events."""


async def changes(
    database: Database, caller: Callable[[], Awaitable[Principal]], conversation_id: str, *, stop: asyncio.Event
) -> AsyncGenerator[State | None]:
    """The conversation's state, and again after each change; None once the caller may not see it any more.

    ``caller`` says who that is now, or raises ApiError. Ends when ``stop`` is set: a server that stops waits for its
    connections, and a reader comes back to the next one.

    Raises ApiError 404 before the first one.
    """
    before: State | None = None
    for _ in range(MOST_LOOKS):
        state = await _state(database, await caller(), conversation_id)
        if state is None and before is None:
            raise not_found(
                f"There is no conversation '{conversation_id[:100]}'",
                param="conversation",
                code="conversation_not_found",
            )
        if state != before:
            yield state
        if state is None:
            return
        before = state
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await stop.wait()
        if stop.is_set():
            return


async def _state(database: Database, principal: Principal, conversation_id: str) -> State | None:
    async with database.reading() as session:
        conversation = await stored_conversations.by_id(session, principal, conversation_id)
        if conversation is None:
            return None
        runs = await stored_runs.open_in(session, principal, [conversation_id])
    return State(
        title=conversation.title,
        visibility=conversation.visibility,
        project_id=conversation.project_id,
        head_id=conversation.head_id,
        updated_at=conversation.updated_at,
        edition=conversation.edition,
        running=sorted(run.id for run in runs),
    )
