"""``POST /v1/chat/completions``."""

from __future__ import annotations

from typing import cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.generation.assisted import (
    assisted,
    chosen_assistant,
    missing_parts_explained,
    require_no_libraries,
    with_instructions,
)
from aquilon.api.reader import Reader, Right, may_ask_models, may_see
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.conversations.contexts import Context
from aquilon.conversations.dialects.chat_answers import ChatCompletion, ChatCompletionChunk, Shape, chunks, whole_answer
from aquilon.conversations.dialects.chat_fields import MAX_MESSAGES, ChatCompletionRequest
from aquilon.conversations.live_run import RunRequest
from aquilon.conversations.messages import items_of
from aquilon.conversations.new_items import new_items
from aquilon.conversations.run import answer_events
from aquilon.generation.prepared import Prepared
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.request import ChatPrompt

routes = Routes(tag="chat", direct=True)

DIALECT = "chat"


@routes.post(
    "/v1/chat/completions",
    "Answer a conversation",
    request=ChatCompletionRequest,
    answer=ChatCompletion,
    says="The answer, or a stream of its chunks.",
    stream=[ChatCompletionChunk],
)
async def chat_completions(request: Request, caller: Caller) -> Response:
    return await answer_chat(request, caller, await read_body(request, ChatCompletionRequest))


async def answer_chat(request: Request, caller: Principal, fields: ChatCompletionRequest) -> Response:
    """Raises ApiError for what can't be answered."""
    generation = fields.generation()
    state = services(request)
    assistant = await chosen_assistant(state, caller, fields.model)
    if assistant is not None:
        require_no_libraries(assistant)
        generation = with_instructions(assisted(generation, assistant, fields), assistant.instructions)
    context = await _context(state, caller) if fields.store else None
    labels = {} if context is None else fields.labels()
    with missing_parts_explained(assistant):
        prepared = await state.pipeline.prepare(generation, caller)
    fields.check_prompt_scores(prepared.prompt_tokens)
    shape = Shape(
        id=new_id("chatcmpl"),
        model=prepared.model,
        n=generation.n,
        logprobs=bool(fields.logprobs),
        prompt_logprobs=fields.prompt_logprobs,
        token_ids=generation.returns_ids,
        usage=fields.streamed_usage,
        functions=fields.calls_functions,
    )
    headers = model_answer_headers(request, prepared.model)
    right: Right = may_ask_models
    if context is None:
        streamed = bool(fields.stream)
        events = state.pipeline.answer([prepared], caller, request_id=shape.id, headers=headers, streamed=streamed)
    else:
        run_request = _run_request(shape, prepared, context=context, labels=labels, caller=caller)
        run = await state.runs.start(run_request, caller, headers=headers)
        events, right = answer_events(run.log.read()), may_see(state.runs, run.id)
    if fields.stream:
        return EventStream(chunks(events, shape), Reader(request, right))
    body = await answer_unless_gone(request, whole_answer(events, shape))
    return Response(body, media_type="application/json")


async def _context(state: Services, caller: Principal) -> Context | None:
    """A new conversation for an answer that is to be stored; None where nothing is."""
    if caller.batch_line is not None:
        return None
    context = await state.conversations.contexts.fresh(caller)
    return None if context.kept_days == 0 else context


def _run_request(
    shape: Shape, prepared: Prepared, *, context: Context, labels: dict[str, str], caller: Principal
) -> RunRequest:
    """Raises ApiError: 400 for too many messages to store, 413 for one that is too large."""
    items = items_of(cast(ChatPrompt, prepared.request.prompt).messages)
    return RunRequest(
        id=shape.id,
        dialect=DIALECT,
        prepared=prepared,
        body=msgspec.json.encode(shape).decode(),
        place=context.place,
        new_conversation=context.new_conversation(caller),
        input=new_items(items, most=MAX_MESSAGES, param="messages"),
        labels=msgspec.json.encode(labels).decode(),
    )
