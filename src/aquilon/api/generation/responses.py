"""``/v1/responses``: OpenAI's newer shape of an answer to a conversation, which the server keeps."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Literal, cast

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.conversations.item_pages import ItemPage
from aquilon.api.errors import as_api_errors
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.generation.response_runs import DIALECT, begin_response, prepare_response
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import bounded, listed, sliced
from aquilon.api.reader import Reader, may_ask_models, may_see
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.conversations.dialects.dialect import dialect_of
from aquilon.conversations.dialects.frames import DONE
from aquilon.conversations.dialects.item_bodies import OutputItem, item_body, without_results
from aquilon.conversations.dialects.responses_answers import (
    ConversationRef,
    FormatEcho,
    InputTokens,
    ResponseBody,
    TextEcho,
)
from aquilon.conversations.dialects.responses_events import (
    STREAM_EVENTS,
    Writing,
    frames,
    numbered_frames,
    whole_answer,
)
from aquilon.conversations.dialects.responses_fields import WITH_RESULTS, ResponsesRequest
from aquilon.conversations.items import decoded
from aquilon.conversations.recovery import KILLED
from aquilon.conversations.replay import last_event
from aquilon.conversations.run import RunEnded, RunEvent
from aquilon.conversations.runs import REQUEST_ARRIVED
from aquilon.conversations.tables import StoredRun
from aquilon.errors import ApiError, invalid
from aquilon.generation.fallbacks import Unprepared
from aquilon.people.identity import Principal

routes = Routes(tag="responses", direct=True)

_RESPONSE = "/v1/responses/{response_id}"


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
    if (begun := await _begun_before(request, caller, fields)) is not None:
        return await _answer_again(request, caller, begun, fields)
    prepared_response = await prepare_response(request, caller, fields)
    try:
        answering = await begin_response(request, caller, fields, prepared_response)
    except ApiError as error:
        begun = await _begun_before(request, caller, fields) if error.code == REQUEST_ARRIVED else None
        if begun is None:
            raise
        return await _answer_again(request, caller, begun, fields)
    response = answering.response
    if fields.stream:
        right = may_ask_models if answering.run is None else may_see(services(request).runs, answering.run.id)
        written = frames(answering.events, answering.writing, closing=_closing(request), waits=not fields.background)
        return EventStream(written, Reader(request, right))
    if fields.background:
        return json_answer(response)
    answer = await answer_unless_gone(request, whole_answer(answering.events, answering.writing))
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
    says="The response as it is now. With `stream=true`, its events, from the one after `starting_after` on. An "
    "answer in Mistral's conversations, or a stored chat completion, is read and followed by its id as well: of a chat "
    "completion, the first choice.",
    stream=STREAM_EVENTS,
)
async def get_response(
    request: Request,
    caller: Caller,
    response_id: str,
    stream: bool = False,
    starting_after: int | None = None,
    include: Annotated[list[str] | None, Query(description=f"`{WITH_RESULTS}` adds what a search found.")] = None,
    include_brackets: Annotated[list[str] | None, Query(alias="include[]", include_in_schema=False)] = None,
) -> Response:
    state = services(request)
    run = await _run(state, caller, response_id)
    shows_results = WITH_RESULTS in (*(include or ()), *(include_brackets or ()))
    if not stream:
        return json_answer(await _stored_response(state, run, shows_results=shows_results))
    after = -1 if starting_after is None else starting_after
    return _followed(request, run, after, shows_results=shows_results)


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
    await state.conversations.deletion.delete_run(caller, run)
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
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    state, limit = services(request), bounded(limit, least=0)
    run = await _run(state, caller, response_id)
    rows = list(await state.conversations.items_of_run(run, output=False))
    if order != "asc":
        rows.reverse()
    shown, has_more = sliced(rows, after, limit)
    page = [item_body(row.id, row.status, decoded(row.content)) for row in shown]
    return json_answer(listed(page, has_more=has_more))


async def _begun_before(request: Request, caller: Principal, fields: ResponsesRequest) -> StoredRun | None:
    """The run that this very request began, if it arrived before."""
    if fields.conversation_id is None:
        return None
    return await services(request).runs.of_request(caller, fields.conversation_id, fields.request_id)


async def _answer_again(request: Request, caller: Principal, run: StoredRun, fields: ResponsesRequest) -> Response:
    """What the first of two equal requests gets: all events, the answer as it begins, or the whole answer."""
    state = services(request)
    if fields.stream:
        return _followed(request, run, -1, shows_results=fields.shows_results)
    if not fields.background:
        await answer_unless_gone(request, _end_of(state, run))
        run = await _run(state, caller, run.id)
    return json_answer(await _stored_response(state, run, shows_results=fields.shows_results))


async def _end_of(state: Services, run: StoredRun) -> None:
    async with aclosing(state.runs.events(run)) as events:
        async for _ in events:
            pass


async def _run(state: Services, caller: Principal, response_id: str) -> StoredRun:
    """An answer of the server's, whichever contract began it. Raises ApiError 404."""
    return await state.runs.required(caller, response_id, kind="response")


def _unanswered(run: StoredRun) -> ResponseBody:
    """The response before its first item. Of a request in another contract it repeats no field."""
    if run.dialect == DIALECT:
        return msgspec.json.decode(run.body, type=ResponseBody)
    return ResponseBody(
        id=run.id,
        created_at=run.created_at,
        model=run.model,
        metadata=msgspec.json.decode(run.labels, type=dict[str, str]),
        conversation=ConversationRef(run.conversation_id),
        store=True,
        temperature=None,
        top_p=None,
        text=TextEcho(FormatEcho(type="text")),
        tool_choice="auto",
        tools=[],
    )


async def _stored_response(state: Services, run: StoredRun, *, shows_results: bool = False) -> ResponseBody:
    """The response as far as it is."""
    body = _unanswered(run)
    writing = Writing(msgspec.structs.replace(body, model=run.model), shows_results=shows_results)
    live = state.runs.live(run.id)
    if live is not None:
        for event in live.log.events:
            for _ in writing.add(event):
                pass
        return msgspec.structs.replace(writing.response, status=live.status, output=writing.output)
    rows = await state.conversations.items_of_run(run, output=True)
    items = [item_body(row.id, row.status, decoded(row.content)) for row in rows if row.branch == rows[0].branch]
    output = [cast(OutputItem, item if shows_results else without_results(item)) for item in items]
    if run.ended_at is None:
        return msgspec.structs.replace(body, status=run.status, output=output)
    for _ in writing.add(last_event(run)):
        pass
    completed_at = run.ended_at if run.status == "completed" else None
    return msgspec.structs.replace(writing.response, completed_at=completed_at, output=output)


def _closing(request: Request) -> bytes:
    """What comes after a stream's last event: for Mistral's client nothing, since it reads each frame as an event."""
    return b"" if dialect_of(request.scope) == "mistral" else DONE


def _followed(request: Request, run: StoredRun, after: int, *, shows_results: bool) -> Response:
    state = services(request)
    frames_after = _frames_after(state, run, after, closing=_closing(request), shows_results=shows_results)
    return EventStream(frames_after, Reader(request, may_see(state.runs, run.id)))


async def _frames_after(
    state: Services, run: StoredRun, after: int, *, closing: bytes, shows_results: bool
) -> AsyncGenerator[bytes]:
    """The frames of the events numbered above ``after``. Raises ApiError 400 if the response ended before.

    A reader of a server that was killed may have seen events that were not stored yet: it gets the last one alone.
    """
    body = _unanswered(run)
    last, data, end = -1, b"", None

    async def events() -> AsyncGenerator[RunEvent]:
        nonlocal end
        async with aclosing(state.runs.events(run)) as numbered:
            async for _, event in numbered:
                end = event
                yield event

    writing = Writing(body, shows_results=shows_results)
    async with aclosing(numbered_frames(as_api_errors(events()), writing)) as numbered:
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
    if closing:
        yield closing
