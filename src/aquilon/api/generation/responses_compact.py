"""``POST /v1/responses/compact``: a conversation as its user's messages and a summary."""

from __future__ import annotations

import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import answer_unless_gone
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.compaction import Compactor
from aquilon.conversations.dialects.item_bodies import ItemBody, item_body
from aquilon.conversations.dialects.prompts_of_items import require_calls
from aquilon.conversations.dialects.responses_answers import ResponseUsage, response_usage
from aquilon.conversations.dialects.responses_fields import CompactionRequest
from aquilon.conversations.dialects.responses_items import referred_items
from aquilon.conversations.items import PREFIXES, CompactionItem, Item, MessageItem
from aquilon.conversations.messages import messages_of
from aquilon.errors import invalid
from aquilon.people.secrets import new_id
from aquilon.text.messages import Message

routes = Routes(tag="responses", direct=True)


class CompactedResponse(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "response.compaction"
    created_at: int
    output: list[ItemBody]
    """The user's messages as they were, and the summary: together the input of the next request."""
    usage: ResponseUsage


@routes.post(
    "/v1/responses/compact",
    "Compact a conversation",
    request=CompactionRequest,
    answer=CompactedResponse,
    says="The messages of the user, and a summary of the conversation by the model, which anybody may read. In the "
    "next request's input the summary stands for all items before it.",
)
async def compact_conversation(request: Request, caller: Caller) -> Response:
    """A conversation that the model's context doesn't hold is summarised in parts. Each part is billed as a request."""
    fields = await read_body(request, CompactionRequest)
    state = services(request)
    history: tuple[Item, ...] = ()
    if fields.previous_response_id is not None:
        history = (await state.conversations.contexts.after_run(caller, fields.previous_response_id)).history.items
    new = fields.new_items(await referred_items(state.conversations, caller, fields.input))
    require_calls(history, new)
    items = (*history, *new)
    messages = messages_of(items)
    if not any(message.content or message.parts or message.tool_calls for message in messages):
        raise invalid("There is nothing to compact: the input has no message, and no call", param="input")
    if fields.instructions is not None:
        messages.insert(0, Message("system", fields.instructions))
    await state.catalogue.refresh()
    model = fields.model or state.catalogue.default_name()
    card = state.catalogue.card(model, caller)
    compactor = Compactor(
        pipeline=state.pipeline,
        model=model,
        card=card,
        principal=caller,
        request_id=new_id("resp"),
        headers=model_answer_headers(request, card.name),
    )
    compaction = await answer_unless_gone(request, compactor.compact(messages))
    said = [item for item in items if isinstance(item, MessageItem) and item.role == "user"]
    kept: list[Item] = [*said, CompactionItem(compaction.summary)]
    return json_answer(
        CompactedResponse(
            id=compactor.request_id,
            created_at=int(time.time()),
            output=[item_body(new_id(PREFIXES[type(item)]), "completed", item) for item in kept],
            usage=response_usage(compaction.usage),
        )
    )
