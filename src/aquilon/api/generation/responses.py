"""``/v1/responses``: OpenAI's newer shape of an answer to a conversation, which the server keeps."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import DONE, EventStream, answer_unless_gone
from aquilon.api.generation.item_bodies import ItemPage, OutputItem, item_body
from aquilon.api.generation.prompts_of_items import prepare_to_fit
from aquilon.api.generation.responses_answers import (
    ConversationRef,
    FormatEcho,
    InputTokens,
    ReasoningEcho,
    ResponseBody,
    TextEcho,
)
from aquilon.api.generation.responses_events import (
    STREAM_EVENTS,
    Writing,
    frames,
    numbered_frames,
    whole_answer,
)
from aquilon.api.generation.responses_fields import ResponsesRequest
from aquilon.api.generation.responses_items import referred_items
from aquilon.api.generation.responses_tools import called_tools, echoes
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.conversations.conversations import Context, new_items
from aquilon.conversations.histories import History
from aquilon.conversations.items import Item, decoded
from aquilon.conversations.live_run import LiveRun, RunRequest
from aquilon.conversations.recovery import KILLED
from aquilon.conversations.replay import last_event
from aquilon.conversations.run import RunEnded, RunEvent, unnumbered
from aquilon.conversations.tables import StoredRun
from aquilon.errors import invalid, not_found
from aquilon.generation.fallbacks import Unprepared
from aquilon.generation.prepared import Prepared
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.request import Event, GenerationRequest
from aquilon.text.messages import Message

routes = Routes(tag="responses", direct=True)

DIALECT = "responses"
_RESPONSE = "/v1/responses/{response_id}"
_NO_HISTORY = History((), 0)
_NONE_UNSTORED: Mapping[str, History] = {}


class DeletedResponse(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "response"
    deleted: bool = True


@routes.post(
    "/v1/responses",
    "Answer a conversation, in OpenAI's newer shape",
    request=ResponsesRequest,
    answer=ResponseBody,
    says="The answer, or a stream of events while it is written. With `background`, the answer as it begins.",
    stream=STREAM_EVENTS,
)
async def create_response(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, ResponsesRequest)
    prepared_response = await prepare_response(request, caller, fields)
    answering = await begin_response(request, caller, fields, prepared_response)
    response = answering.response
    if fields.stream:
        return EventStream(frames(answering.events, response, waits=not fields.background))
    if fields.background:
        return json_answer(response)
    answer = await answer_unless_gone(request, whole_answer(answering.events, response))
    ended = None if answering.run is None else answering.run.log.ended
    if ended is not None and ended.error is not None and not answer.output:
        raise ended.error.raised()
    return json_answer(answer)


@routes.post(
    "/v1/responses/input_tokens",
    "Count the tokens of a request's input",
    request=ResponsesRequest,
    answer=InputTokens,
    says="The number of input tokens.",
)
async def count_input_tokens(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, ResponsesRequest)
    prepared = (await prepare_response(request, caller, fields)).prepared
    if isinstance(prepared, Unprepared):
        raise prepared.reason
    return json_answer(InputTokens(input_tokens=prepared.prompt_tokens))


@routes.get(
    _RESPONSE,
    "Read a stored response, or follow it while it is written",
    answer=ResponseBody,
    says="The response as it is now. With `stream=true`, its events, from the one after `starting_after` on.",
    stream=STREAM_EVENTS,
)
async def get_response(
    request: Request, caller: Caller, response_id: str, stream: bool = False, starting_after: int | None = None
) -> Response:
    state = services(request)
    run = await _run(state, caller, response_id)
    if not stream:
        return json_answer(await _stored_response(state, run))
    return EventStream(_frames_after(state, run, -1 if starting_after is None else starting_after))


@routes.post(
    _RESPONSE + "/cancel",
    "Cancel a response",
    answer=ResponseBody,
    says="The response as it is then. One that had ended stays as it is.",
)
async def cancel_response(request: Request, caller: Caller, response_id: str) -> Response:
    state = services(request)
    await state.runs.cancel(caller, await _run(state, caller, response_id))
    return json_answer(await _stored_response(state, await _run(state, caller, response_id)))


@routes.delete(
    _RESPONSE,
    "Delete a stored response",
    answer=DeletedResponse,
    says="The response is deleted, with its input. One that is being written is cancelled first.",
)
async def delete_response(request: Request, caller: Caller, response_id: str) -> Response:
    state = services(request)
    run = await _run(state, caller, response_id)
    await state.runs.cancel(caller, run)
    await state.conversations.delete_run(caller, run)
    return json_answer(DeletedResponse(id=response_id))


@routes.get(
    _RESPONSE + "/input_items",
    "List the input of a stored response",
    answer=ItemPage,
    says="The items of the request, the latest first unless `order` is `asc`.",
)
async def list_input_items(
    request: Request,
    caller: Caller,
    response_id: str,
    after: str | None = None,
    limit: int = 20,
    order: str = "desc",
) -> Response:
    state, limit = services(request), bounded(limit, least=0)
    run = await _run(state, caller, response_id)
    rows = list(await state.conversations.items_of_run(run, output=False))
    if order != "asc":
        rows.reverse()
    begin = next((number + 1 for number, row in enumerate(rows) if row.id == after), 0) if after else 0
    page = [item_body(row.id, row.status, decoded(row.content)) for row in rows[begin : begin + limit]]
    return json_answer(listed(page, has_more=len(rows) > begin + limit))


@dataclass(frozen=True, kw_only=True)
class PreparedResponse:
    """A request that can be answered."""

    context: Context | None
    """Where it goes on or begins; None if nothing stored is read or written."""
    history: History
    """What its model reads first."""
    items: Sequence[Item]
    """Its own input."""
    prepared: Prepared
    response: ResponseBody
    """Before its first item."""


@dataclass(frozen=True, kw_only=True)
class RunningResponse:
    response: ResponseBody
    """Before its first item."""
    events: AsyncGenerator[Event | RunEvent]
    run: LiveRun | None
    """None if the response isn't stored."""


async def prepare_response(
    request: Request, caller: Principal, fields: ResponsesRequest, *, unstored: Mapping[str, History] = _NONE_UNSTORED
) -> PreparedResponse:
    """``unstored``: what the model reads after a response that isn't stored, by the response's id.

    Raises ApiError for what can't be answered.
    """
    fields.require_possible()
    state = services(request)
    known = unstored.get(fields.previous_response_id or "")
    context = await _context(state, caller, fields, continues_stored=known is None)
    if known is not None:
        history = known
    else:
        history = _NO_HISTORY if context is None else context.history
    items = fields.new_items(await referred_items(state.conversations, caller, fields.input))
    prepared = await _prepare(request, fields, fields.messages(history.items, items), caller)
    response = _unanswered(fields, prepared.model, _temperature(request, fields, prepared.model))
    return PreparedResponse(context=context, history=history, items=items, prepared=prepared, response=response)


async def begin_response(
    request: Request, caller: Principal, fields: ResponsesRequest, ready: PreparedResponse
) -> RunningResponse:
    """Begin to answer. Raises ApiError, also at the first of the ``events``."""
    state, context, response, prepared = services(request), ready.context, ready.response, ready.prepared
    headers = model_answer_headers(request, prepared.model)
    if context is None or not _stores(fields, context, caller):
        events = state.pipeline.answer(
            [prepared], caller, request_id=response.id, headers=headers, streamed=bool(fields.stream)
        )
        return RunningResponse(response=response, events=events, run=None)
    response = msgspec.structs.replace(
        response,
        store=True,
        background=bool(fields.background),
        status="queued" if fields.background else "in_progress",
        conversation=None if fields.conversation is None else ConversationRef(context.place.conversation_id),
    )
    is_new = context.conversation is None
    run = await state.runs.start(
        RunRequest(
            id=response.id,
            dialect=DIALECT,
            prepared=prepared,
            body=msgspec.json.encode(response).decode(),
            place=context.place,
            new_conversation=context.new_conversation(caller),
            input=new_items([*ready.history.items, *ready.items] if is_new else ready.items),
            labels=msgspec.json.encode(response.metadata).decode(),
            background=bool(fields.background),
            tools=called_tools(response.tools),
        ),
        caller,
        headers=headers,
    )
    return RunningResponse(response=response, events=unnumbered(run.log.read()), run=run)


async def _context(
    state: Services, caller: Principal, fields: ResponsesRequest, *, continues_stored: bool
) -> Context | None:
    """What the request goes on from, or the beginning of a new conversation; None if nothing is to be stored or read.

    Raises ApiError 404.
    """
    if fields.previous_response_id is not None and continues_stored:
        return await state.conversations.after_run(caller, fields.previous_response_id)
    if fields.conversation_id is not None:
        return await state.conversations.within(caller, fields.conversation_id, below=fields.below)
    if fields.store is False or caller.batch_line is not None:
        return None
    return await state.conversations.fresh(caller)


def _stores(fields: ResponsesRequest, context: Context, caller: Principal) -> bool:
    """Raises ApiError 400 for an answer in the background that can't be stored."""
    stores = fields.store is not False and context.kept_days != 0 and caller.batch_line is None
    if fields.background and not stores:
        raise invalid(
            "'background' needs the answer to be stored, and this organization keeps no conversations",
            param="background",
        )
    return stores


async def _prepare(
    request: Request, fields: ResponsesRequest, messages: Sequence[Message], caller: Principal
) -> Prepared:
    pipeline, default = services(request).pipeline, fields.model or services(request).catalogue.default_name()

    def generation(messages: Sequence[Message]) -> GenerationRequest:
        return fields.generation(default, messages)

    if fields.truncation == "auto":
        return await prepare_to_fit(pipeline, messages, caller, generation=generation)
    return await pipeline.prepare(generation(messages), caller)


async def _run(state: Services, caller: Principal, response_id: str) -> StoredRun:
    """Raises ApiError 404."""
    run = await state.runs.stored(caller, response_id)
    if run is None or run.dialect != DIALECT:
        raise not_found(
            f"There is no response '{response_id[:100]}': it was not stored, or it was deleted",
            code="response_not_found",
        )
    return run


async def _stored_response(state: Services, run: StoredRun) -> ResponseBody:
    """The response as far as it is."""
    body = msgspec.json.decode(run.body, type=ResponseBody)
    writing = Writing(msgspec.structs.replace(body, model=run.model))
    live = state.runs.live(run.id)
    if live is not None:
        for event in live.log.events:
            for _ in writing.add(event):
                pass
        return msgspec.structs.replace(writing.response, status=live.status, output=writing.output)
    rows = await state.conversations.items_of_run(run, output=True)
    output = [cast(OutputItem, item_body(row.id, row.status, decoded(row.content))) for row in rows]
    if run.ended_at is None:
        return msgspec.structs.replace(body, status=run.status, output=output)
    for _ in writing.add(last_event(run)):
        pass
    completed_at = run.ended_at if run.status == "completed" else None
    return msgspec.structs.replace(writing.response, completed_at=completed_at, output=output)


async def _frames_after(state: Services, run: StoredRun, after: int) -> AsyncGenerator[bytes]:
    """The frames of the events numbered above ``after``. Raises ApiError 400 if the response ended before.

    A reader of a server that was killed may have seen events that were not stored yet: it gets the last one alone.
    """
    body = msgspec.json.decode(run.body, type=ResponseBody)
    last, data, end = -1, b"", None

    async def events() -> AsyncGenerator[RunEvent]:
        nonlocal end
        async with aclosing(state.runs.events(run)) as numbered:
            async for _, event in numbered:
                end = event
                yield event

    async with aclosing(numbered_frames(events(), body)) as numbered:
        async for number, data in numbered:
            last = number
            if number > after:
                yield data
    if last < after and isinstance(end, RunEnded) and end.error == KILLED:
        yield data
    elif last < after:
        raise invalid(
            f"starting_after is {after}; the last event of this response has the number {last}", param="starting_after"
        )
    yield DONE


def _temperature(request: Request, fields: ResponsesRequest, model: str) -> float:
    """The temperature that is used; OpenAI's default for an upstream's model, whose default is unknown."""
    if fields.temperature is not None:
        return fields.temperature
    state = services(request)
    card = state.catalogue.get(model)
    default = None if card is None else state.texts.default_temperature(card)
    return 1.0 if default is None else default


def _unanswered(fields: ResponsesRequest, model: str, temperature: float) -> ResponseBody:
    """The response before its first item, with the request's own fields."""
    format_ = fields.text.format if fields.text is not None else None
    return ResponseBody(
        id=new_id("resp"),
        created_at=int(time.time()),
        model=model,
        instructions=fields.instructions,
        max_output_tokens=fields.max_output_tokens,
        metadata=fields.metadata or {},
        previous_response_id=fields.previous_response_id,
        parallel_tool_calls=fields.parallel_tool_calls is not False,
        reasoning=ReasoningEcho(
            fields.reasoning.effort if fields.reasoning is not None else None,
            fields.reasoning.summary if fields.reasoning is not None else None,
        ),
        temperature=temperature,
        text=TextEcho(
            FormatEcho(type="text" if format_ is None else format_.type)
            if format_ is None or format_.type != "json_schema"
            else FormatEcho(
                type=format_.type,
                name=format_.name or "answer",
                description=format_.description,
                schema=format_.schema_,
                strict=format_.strict is not False,
            )
        ),
        tool_choice=_choice(fields),
        tools=echoes(tool for _, offer in fields.offers for tool in offer),
        top_logprobs=fields.top_logprobs or 0,
        top_p=1.0 if fields.top_p is None else fields.top_p,
        presence_penalty=fields.presence_penalty or 0.0,
        frequency_penalty=fields.frequency_penalty or 0.0,
        truncation=fields.truncation or "disabled",
        max_tool_calls=fields.max_tool_calls,
        prompt_cache_key=fields.prompt_cache_key,
        user=fields.user,
        safety_identifier=fields.safety_identifier,
    )


def _choice(fields: ResponsesRequest) -> str | dict[str, Any]:
    choice = fields.tool_choice
    if isinstance(choice, str | None):
        return "required" if choice == "any" else choice or "auto"
    return choice.model_dump(exclude_none=True, exclude_defaults=True)
