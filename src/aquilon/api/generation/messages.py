"""``/v1/messages``: Anthropic's shape of an answer to a conversation. Nothing is stored."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.reader import Reader, may_ask_models
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.messages_answers import MESSAGE_EVENTS, MessageBody, TokenCountBody
from aquilon.conversations.dialects.messages_events import PING, Answer, message_frames, whole_message
from aquilon.conversations.dialects.messages_fields import CountTokensRequest, MessagesRequest
from aquilon.generation.fallbacks import Unprepared
from aquilon.generation.prepared import expected_tokens
from aquilon.people.secrets import new_id

routes = Routes(tag="messages", direct=True)


@routes.post(
    "/v1/messages",
    "Answer a conversation, in Anthropic's shape",
    request=MessagesRequest,
    answer=MessageBody,
    says="The answer, or a stream of events while it is written.",
    stream=MESSAGE_EVENTS,
)
async def create_message(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, MessagesRequest)
    pipeline = services(request).pipeline
    prepared = await pipeline.prepare(fields.generation(), caller)
    answer = Answer(
        id=new_id("msg"),
        model=prepared.model,
        max_tokens=fields.max_tokens,
        room=prepared.most_tokens,
        shows_thoughts=fields.shows_thoughts,
    )
    events = pipeline.answer(
        [prepared],
        caller,
        request_id=answer.id,
        headers=model_answer_headers(request, prepared.model),
        streamed=bool(fields.stream),
    )
    if fields.stream:
        return EventStream(message_frames(events, answer), Reader(request, may_ask_models), heartbeat=PING)
    body = await answer_unless_gone(request, whole_message(events, answer))
    return Response(body, media_type="application/json")


@routes.post(
    "/v1/messages/count_tokens",
    "Count the tokens of a conversation, in Anthropic's shape",
    request=CountTokensRequest,
    answer=TokenCountBody,
    says="The number of input tokens.",
)
async def count_message_tokens(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, CountTokensRequest)
    prepared = await services(request).pipeline.prepare(fields.generation(), caller)
    if isinstance(prepared, Unprepared):
        raise prepared.reason
    return Response(msgspec.json.encode(TokenCountBody(expected_tokens(prepared))), media_type="application/json")
