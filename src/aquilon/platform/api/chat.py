"""``POST /v1/chat/completions``."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from aquilon.platform.api.answer_headers import answer_headers
from aquilon.platform.api.body import read_body
from aquilon.platform.api.chat_answers import ChatCompletion, ChatCompletionChunk, Shape, chunks, whole_answer
from aquilon.platform.api.chat_fields import ChatCompletionRequest
from aquilon.platform.api.direct_route import DirectRoute
from aquilon.platform.api.event_stream import EventStream, answer_unless_gone
from aquilon.platform.api.schemas import answers, request_body
from aquilon.platform.auth.authentication import Caller
from aquilon.platform.domain.secrets import new_id
from aquilon.platform.services import services

router = APIRouter(tags=["chat"], route_class=DirectRoute)


REQUESTS = [ChatCompletionRequest]
ANSWERS = [ChatCompletion, ChatCompletionChunk]


@router.post(
    "/v1/chat/completions",
    summary="Answer a conversation",
    openapi_extra=request_body(ChatCompletionRequest),
    responses=answers(ChatCompletion, description="The answer, or its chunks", stream=[ChatCompletionChunk]),
)
async def chat_completions(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, ChatCompletionRequest)
    generation = fields.generation()
    pipeline = services(request).pipeline
    prepared = await pipeline.prepare(generation, caller)
    id_ = new_id("chatcmpl")
    events = pipeline.answer([prepared], caller, id_, answer_headers(request))
    shape = Shape(
        id=id_,
        model=prepared.model,
        n=generation.n,
        logprobs=bool(fields.logprobs),
        usage=fields.streamed_usage,
        functions=fields.calls_functions,
    )
    if fields.stream:
        return EventStream(chunks(events, shape))
    body = await answer_unless_gone(request, whole_answer(events, shape))
    return Response(body, media_type="application/json")
