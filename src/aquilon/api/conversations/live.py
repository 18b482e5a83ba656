"""``/v1/conversations/{id}/events``: a conversation's changes, for those who have it open. Our own extension."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller, authenticate
from aquilon.api.event_stream import EventStream
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.live import State, changes
from aquilon.people.identity import Principal

routes = Routes("/v1/conversations", tag="conversations")


class ConversationUpdated(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "conversation.updated"
    title: str | None
    visibility: str
    project_id: str | None
    head_id: str | None
    """Its latest item: where this changes, there are new items to list."""
    updated_at: int
    edition: int
    """Grows when an item is deleted."""
    running: Sequence[str]
    """The answers that are being written now; `GET /v1/responses/{response_id}?stream=true` follows one, whichever
    contract began it."""


class ConversationGone(msgspec.Struct, frozen=True, kw_only=True):
    """It was deleted, or the caller may not see it any more."""

    type: str = "conversation.gone"


@routes.get(
    "/{conversation_id}/events",
    "Follow what changes in a conversation",
    says="A stream: the conversation's state now, and again after each change. It ends after ten minutes: ask again.",
    stream=(ConversationUpdated, ConversationGone),
)
async def follow_conversation(request: Request, caller: Caller, conversation_id: str) -> Response:
    state = services(request)

    def now() -> Awaitable[Principal]:
        return authenticate(request)

    return EventStream(_frames(changes(state.database, now, conversation_id, stop=state.stopping)), None)


async def _frames(states: AsyncGenerator[State | None]) -> AsyncGenerator[bytes]:
    async for state in states:
        event = (
            ConversationGone()
            if state is None
            else ConversationUpdated(
                title=state.title,
                visibility=state.visibility,
                project_id=state.project_id,
                head_id=state.head_id,
                updated_at=state.updated_at,
                edition=state.edition,
                running=state.running,
            )
        )
        yield b"event: " + event.type.encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n"
