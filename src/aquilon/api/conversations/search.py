"""``/v1/conversations/search``: messages and conversations by their words, our own extension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import bounded
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.items import MessageItem, decoded
from aquilon.conversations.search import MOST_QUERY_CHARACTERS, MOST_RANKED, Hit, search
from aquilon.conversations.store.conversations import Chosen

routes = Routes("/v1/conversations", tag="conversations")

_DEFAULT = 20


class SnippetBody(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    """A part of the message or title."""
    marks: Sequence[tuple[int, int]]
    """Begin and end of each word in ``text`` that was asked for, in characters (Unicode code points)."""


class HitBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "conversation.search_hit"
    conversation_id: str
    title: str | None
    archived: bool
    project_id: str | None
    item_id: str | None
    """The message with the words; null if the title has them."""
    role: str | None
    created_at: int
    """When the message or, for a title, the conversation was stored."""
    snippet: SnippetBody


class HitList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: Sequence[HitBody]
    has_more: bool


@routes.get(
    "/search",
    "Search the words of messages and titles",
    answer=HitList,
    says="The messages and titles that have all words of the query, the best first.",
)
async def search_conversations(
    request: Request,
    caller: Caller,
    query: Annotated[
        str, Query(description=f"At most {MOST_QUERY_CHARACTERS} characters; each word may be a beginning.")
    ],
    offset: Annotated[int, Query(ge=0, lt=MOST_RANKED, description="How many hits to leave out, for later pages.")] = 0,
    limit: int = _DEFAULT,
    archived: Annotated[
        bool | None, Query(description="Only in archived conversations, or only in others. Without it, in both.")
    ] = None,
    project_id: Annotated[
        str | None, Query(max_length=256, description="Only in this project; with `none`, outside of all projects.")
    ] = None,
) -> Response:
    hits, has_more = await search(
        services(request).database,
        caller,
        query,
        chosen=Chosen(archived=archived, project_id=project_id),
        offset=offset,
        limit=bounded(limit),
    )
    return json_answer(HitList(data=[_hit_body(hit) for hit in hits], has_more=has_more))


def _hit_body(hit: Hit) -> HitBody:
    conversation, item = hit.conversation, hit.item
    message = None if item is None else decoded(item.content)
    return HitBody(
        conversation_id=conversation.id,
        title=conversation.title,
        archived=conversation.archived_at is not None,
        project_id=conversation.project_id,
        item_id=None if item is None else item.id,
        role=message.role if isinstance(message, MessageItem) else None,
        created_at=conversation.created_at if item is None else item.created_at,
        snippet=SnippetBody(text=hit.snippet.text, marks=hit.snippet.marks),
    )
