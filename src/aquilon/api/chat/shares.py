"""``/v1/shares``: links to read-only copies of conversations, our own extension."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.conversations.bodies import ConversationBody, conversation_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf, bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.chat.shares import DEFAULT_DAYS, MOST_DAYS, OpenedShare
from aquilon.chat.tables.shares import Share
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.conversations.transfer.imports.snapshot import tree_of_snapshot
from aquilon.conversations.transfer.imports.storing import store
from aquilon.conversations.transfer.snapshots import SharedMessage

routes = Routes("/v1/shares", tag="shares")

_MOST_BYTES = 4096
"""Of a request to open a link."""


class CreateShare(OwnFields):
    conversation_id: str = Field(max_length=256)
    leaf: str | None = Field(
        None, max_length=256, description="The item up to which is shared; without it, the conversation's latest one."
    )
    expires_in: int | None = Field(
        DEFAULT_DAYS, ge=1, le=MOST_DAYS, description="Days for which the link holds; null until it is revoked."
    )
    show_name: bool = Field(False, description="Whether readers see who shared it.")


class OpenShare(OwnFields):
    token: str = Field(min_length=1, max_length=200, description="The part of the link behind `#`.")


class ShareBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A link to a copy of a conversation. Times are in unix seconds."""

    id: str
    object: str = "share"
    conversation_id: str
    title: str | None
    messages: int
    """How many it has."""
    shared_by: str | None
    """The name that readers see; null if they see none."""
    created_at: int
    expires_at: int | None
    """Null until it is revoked."""
    token: str | None = None
    """Only in the answer that creates it: whoever has it reads the copy."""
    path: str | None = None
    """Only in the answer that creates it: the link, below the server's address."""


class SharePage(PageOf[ShareBody], frozen=True, kw_only=True):
    pass


class SnapshotBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a link shows: the questions and answers as they were when it was created."""

    object: str = "share.snapshot"
    title: str | None
    shared_by: str | None
    created_at: int
    expires_at: int | None
    messages: Sequence[SharedMessage]


@routes.post(
    "",
    "Share a copy of a conversation by a link",
    request=CreateShare,
    answer=ShareBody,
    says="The new share with its link, which is not shown again. Later changes of the conversation don't reach it.",
)
async def create_share(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, CreateShare)
    new = await services(request).shares.create(
        caller, fields.conversation_id, leaf=fields.leaf, days=fields.expires_in, shows_name=fields.show_name
    )
    return json_answer(_body(new.share, token=new.token))


@routes.get(
    "",
    "List the caller's shares",
    answer=SharePage,
    says="The shares that the caller created, and those of the caller's conversations, the latest first; no links.",
)
async def list_shares(
    request: Request, caller: Caller, conversation_id: str | None = None, after: str | None = None, limit: int = 20
) -> Response:
    rows, more = await services(request).shares.own(
        caller, conversation_id=conversation_id, after=after, limit=bounded(limit)
    )
    return json_answer(listed([_body(row) for row in rows], has_more=more))


@routes.delete(
    "/{share_id}",
    "Revoke a share",
    says="The link shows nothing any more, and the copy is deleted.",
    status=204,
)
async def revoke_share(request: Request, caller: Caller, share_id: str) -> Response:
    await services(request).shares.revoke(caller, share_id)
    return Response(status_code=204)


@routes.post(
    "/snapshot",
    "Read a shared conversation",
    request=OpenShare,
    answer=SnapshotBody,
    says="What the link shows, without signing in. 404 for one that is unknown, expired or revoked.",
)
async def open_share(request: Request) -> Response:
    opened = await _opened(request)
    answer = json_answer(
        SnapshotBody(
            title=opened.title,
            shared_by=opened.shared_by,
            created_at=opened.created_at,
            expires_at=opened.expires_at,
            messages=opened.messages,
        )
    )
    answer.headers["x-robots-tag"] = "noindex, nofollow"
    return answer


@routes.post(
    "/continue",
    "Go on with a shared conversation in one of the caller's own",
    request=OpenShare,
    answer=ConversationBody,
    says="A new conversation with a copy of the shared messages.",
)
async def continue_share(request: Request, caller: Caller) -> Response:
    state = services(request)
    share = await _opened(request)
    tree = tree_of_snapshot(share.title, share.messages)
    conversation_id = await store(state.database, state.conversations, caller, tree)
    return json_answer(conversation_body(await state.conversations.get(caller, conversation_id)))


async def _opened(request: Request) -> OpenedShare:
    fields = await read_body(request, OpenShare, most=_MOST_BYTES)
    address = request.client.host if request.client is not None else ""
    return await services(request).shares.open(fields.token, address=address)


def _body(share: Share, *, token: str | None = None) -> ShareBody:
    return ShareBody(
        id=share.id,
        conversation_id=share.conversation_id,
        title=share.title,
        messages=share.messages,
        shared_by=share.shared_by,
        created_at=share.created_at,
        expires_at=share.expires_at,
        token=token,
        path=None if token is None else f"/share#{token}",
    )
