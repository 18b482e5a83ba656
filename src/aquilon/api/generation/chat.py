"""``POST /v1/chat/completions``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.generation.chat_answers import ChatCompletion, ChatCompletionChunk, Shape, chunks, whole_answer
from aquilon.api.generation.chat_fields import ChatCompletionRequest
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.people.secrets import new_id

routes = Routes(tag="chat", direct=True)


@routes.post(
    "/v1/chat/completions",
    "Answer a conversation",
    request=ChatCompletionRequest,
    answer=ChatCompletion,
    says="The answer, or a stream of its chunks.",
    stream=[ChatCompletionChunk],
)
async def chat_completions(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, ChatCompletionRequest)
    generation = fields.generation()
    pipeline = services(request).pipeline
    prepared = await pipeline.prepare(generation, caller)
    fields.check_prompt_scores(prepared.prompt_tokens)
    id_ = new_id("chatcmpl")
    events = pipeline.answer(
        [prepared],
        caller,
        request_id=id_,
        headers=model_answer_headers(request, prepared.model),
        streamed=bool(fields.stream),
    )
    shape = Shape(
        id=id_,
        model=prepared.model,
        n=generation.n,
        logprobs=bool(fields.logprobs),
        prompt_logprobs=fields.prompt_logprobs,
        token_ids=generation.returns_ids,
        usage=fields.streamed_usage,
        functions=fields.calls_functions,
    )
    if fields.stream:
        return EventStream(chunks(events, shape))
    body = await answer_unless_gone(request, whole_answer(events, shape))
    return Response(body, media_type="application/json")
