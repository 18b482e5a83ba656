"""The items of a conversation in OpenAI's contract, and its branches."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.conversations.bodies import ConversationBody, conversation_body
from aquilon.api.conversations.item_pages import ItemPage, TreePage, tree_page
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf, bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.item_bodies import ItemBody, item_body
from aquilon.conversations.dialects.prompts_of_items import require_calls
from aquilon.conversations.dialects.responses_fields import MAX_ITEMS
from aquilon.conversations.dialects.responses_items import InputItem, items, referred_items
from aquilon.conversations.items import CallOutputItem, decoded
from aquilon.conversations.tables import StoredItem
from aquilon.conversations.visible import BEGINNING
from aquilon.errors import invalid

routes = Routes("/v1/conversations/{conversation_id}", tag="conversations")


_ITEM = "/items/{item_id}"


class AddItems(Fields):
    items: Annotated[list[InputItem], Field(min_length=1, max_length=MAX_ITEMS)]
    parent_id: str | None = Field(
        None,
        max_length=256,
        description="The item below which these are added: on another branch, if something is below it. With null, at "
        "the beginning; without it, below the conversation's last item.",
    )


class BranchBody(msgspec.Struct, frozen=True, kw_only=True):
    """A line of items. Another one begins where an item has several answers or questions below it."""

    object: str = "conversation.branch"
    number: int
    parent_id: str | None
    """The item that it begins below; null at the beginning of the conversation."""
    first_id: str
    last_id: str
    """With ``leaf``, the items up to this one are listed."""


class BranchPage(ListOf[BranchBody], frozen=True, kw_only=True):
    has_more: bool


@routes.post(
    "/items",
    "Add items to a conversation",
    request=AddItems,
    answer=ItemPage,
    says="The new items.",
)
async def add_items(request: Request, caller: Caller, conversation_id: str) -> Response:
    fields = await read_body(request, AddItems)
    conversations = services(request).conversations
    new = items(fields.items, known=await referred_items(conversations, caller, fields.items), param="items")
    below = fields.parent_id or (BEGINNING if "parent_id" in fields.model_fields_set else None)
    if any(isinstance(item, CallOutputItem) for item in new):
        context = await conversations.contexts.within(caller, conversation_id, below=below)
        require_calls(context.history.items, new, param="items")
    rows = await conversations.add(caller, conversation_id, new, below=below)
    return json_answer(listed([_body(row) for row in rows], has_more=False))


@routes.get(
    "/items",
    "List the items of a conversation",
    answer=(ItemPage, TreePage),
    says="The items from the latest one up, or from the first one down if `order` is `asc`. With `leaf`, those up to "
    "that item, on whichever branch it is; with `through`, those of the latest path through it. With `tree=true`, "
    "where each one stands, and the answers that they belong to.",
)
async def list_items(
    request: Request,
    caller: Caller,
    conversation_id: str,
    after: str | None = None,
    limit: int = 20,
    order: Literal["asc", "desc"] = "desc",
    leaf: str | None = None,
    through: str | None = None,
    tree: bool = False,
) -> Response:
    conversations = services(request).conversations
    if through is not None:
        if leaf is not None:
            raise invalid("Send either 'leaf' or 'through': each names a path", param="through", code="leaf_or_through")
        leaf = await conversations.last_below(caller, conversation_id, through)
    rows, more = await conversations.page(
        caller, conversation_id, leaf=leaf, after=after, order=order, limit=bounded(limit, least=0)
    )
    page = listed([_body(row) for row in rows], has_more=more)
    if not tree:
        return json_answer(page)
    return json_answer(tree_page(page, rows, await conversations.surroundings(caller, conversation_id, rows)))


@routes.get(
    "/branches",
    "List the branches of a conversation",
    answer=BranchPage,
    says="The branches in the order in which they began: those with a number above `after`.",
)
async def list_branches(
    request: Request,
    caller: Caller,
    conversation_id: str,
    after: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1,
    limit: int = 100,
) -> Response:
    branches, more = await services(request).conversations.branches(
        caller, conversation_id, after=after, limit=bounded(limit)
    )
    bodies = [
        BranchBody(number=one.number, parent_id=one.parent_id, first_id=one.first_id, last_id=one.last_id)
        for one in branches
    ]
    return json_answer(BranchPage(data=bodies, has_more=more))


@routes.get(_ITEM, "Read an item of a conversation", answer=get_args(ItemBody), says="The item.")
async def get_item(request: Request, caller: Caller, conversation_id: str, item_id: str) -> Response:
    return json_answer(_body(await services(request).conversations.item(caller, conversation_id, item_id)))


@routes.delete(
    _ITEM,
    "Delete an item of a conversation",
    answer=ConversationBody,
    says="The conversation. What was below the item is then below the one above it.",
)
async def delete_item(request: Request, caller: Caller, conversation_id: str, item_id: str) -> Response:
    conversations = services(request).conversations
    await conversations.deletion.delete_items(caller, conversation_id, [item_id])
    return json_answer(conversation_body(await conversations.get(caller, conversation_id)))


def _body(row: StoredItem) -> ItemBody:
    return item_body(row.id, row.status, decoded(row.content))
