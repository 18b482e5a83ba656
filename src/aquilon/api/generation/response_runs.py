"""A response before its first item, and its beginning: the same over HTTP and over a WebSocket."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from starlette.requests import Request

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.errors import as_api_errors, params_as
from aquilon.api.generation.assisted import assisted, chosen_assistant, missing_parts_explained
from aquilon.api.generation.file_search import found_sources, prepare_with_sources
from aquilon.api.services import Services, services
from aquilon.chat.memory_use import Remembered
from aquilon.conversations.contexts import Context
from aquilon.conversations.dialects.conversation_settings import ConversationSettings
from aquilon.conversations.dialects.prompts_of_items import joined_instructions, prepare_to_fit
from aquilon.conversations.dialects.responses_answers import (
    ConversationRef,
    FormatEcho,
    ReasoningEcho,
    ResponseBody,
    TextEcho,
)
from aquilon.conversations.dialects.responses_events import Writing
from aquilon.conversations.dialects.responses_fields import ResponsesRequest
from aquilon.conversations.dialects.responses_items import referred_items
from aquilon.conversations.dialects.responses_tools import called_tools, echoes
from aquilon.conversations.footnotes import Footnote, Footnotes
from aquilon.conversations.histories import History
from aquilon.conversations.items import Item
from aquilon.conversations.live_run import LiveRun, RunRequest
from aquilon.conversations.new_items import new_items
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.run import RunEvent, unnumbered
from aquilon.errors import ApiError, invalid
from aquilon.generation.prepared import Prepared
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.request import Event, GenerationRequest
from aquilon.text.messages import Message

_NO_HISTORY = History((), 0)
_NONE_UNSTORED: Mapping[str, History] = {}
DIALECT = "responses"
_PARAMS = {"messages": "input", "max_tokens": "max_output_tokens", "response_format": "text.format"}


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
    assistant: ConversationSettings | None
    """What a new conversation keeps of the assistant that answers."""
    footnotes: Footnotes | None
    """Set if the answer is from documents."""
    shows_results: bool
    """Whether the client gets the passages that were found."""
    remembered: Remembered | None
    """What the model reads of the caller's memory."""


@dataclass(frozen=True, kw_only=True)
class RunningResponse:
    response: ResponseBody
    """Before its first item."""
    writing: Writing
    """Builds it from the events."""
    events: AsyncGenerator[Event | RunEvent | Footnote]
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
    assistant = await chosen_assistant(state, caller, fields.model, context)
    items = fields.new_items(await referred_items(state.conversations, caller, fields.input))
    footnotes = await _sources(
        state,
        caller,
        fields,
        (*history.items, *items),
        assistant=assistant,
        project_library_ids=() if context is None else context.project.library_ids,
    )
    of_project = joined_instructions(
        None if context is None else context.project.instructions,
        None if assistant is None else assistant.instructions,
    )

    remembered = await state.memory_use.for_answer(
        caller,
        (*history.items, *items),
        conversation=None if context is None else context.conversation,
        assistant_id=None if assistant is None else assistant.agent_id,
        is_stored=context is not None and _stores(fields, context, caller),
        wanted=fields.memory,
    )

    async def prepare(sources: str | None) -> Prepared:
        messages = fields.messages(
            history.items,
            items,
            memories=None if remembered is None else remembered.instruction,
            project_instructions=of_project,
            sources=sources,
        )
        with params_as(_PARAMS), missing_parts_explained(assistant):
            return await _prepare(request, fields, messages, caller, assistant)

    async def prepare_all() -> Prepared:
        return await prepare(None) if footnotes is None else await prepare_with_sources(footnotes, prepare)

    try:
        prepared = await prepare_all()
    except ApiError as error:
        if remembered is None or error.limit is None or error.limit.kind != "context_tokens":
            raise
        remembered = None  # the conversation matters more
        prepared = await prepare_all()
    response = _unanswered(fields, prepared.model, _temperature(request, prepared))
    return PreparedResponse(
        context=context,
        history=history,
        items=items,
        prepared=prepared,
        response=response,
        assistant=assistant,
        footnotes=footnotes,
        shows_results=fields.shows_results,
        remembered=remembered,
    )


async def _sources(
    state: Services,
    caller: Principal,
    fields: ResponsesRequest,
    items: Sequence[Item],
    *,
    assistant: ConversationSettings | None,
    project_library_ids: Sequence[str],
) -> Footnotes | None:
    """From the request's own libraries, or those of the assistant, and those of the project."""
    tool = fields.file_search
    if tool is None:
        if fields.tool_choice == "none":
            return None
        own = () if assistant is None else assistant.library_ids
        with missing_parts_explained(assistant):
            return await found_sources(state, caller, items, library_ids=own, project_library_ids=project_library_ids)
    return await found_sources(
        state,
        caller,
        items,
        library_ids=tool.vector_store_ids or (),
        project_library_ids=project_library_ids,
        question=tool.question,
    )


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
        annotated = events if ready.footnotes is None else ready.footnotes.added_to(events)
        writing = Writing(response, shows_results=ready.shows_results)
        return RunningResponse(response=response, writing=writing, events=as_api_errors(annotated), run=None)
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
            new_conversation=_new_conversation(ready, context, caller),
            names_conversation=context.untitled,
            input=new_items([*ready.history.items, *ready.items] if is_new else ready.items),
            request_id=fields.request_id,
            labels=msgspec.json.encode(response.metadata).decode(),
            background=bool(fields.background),
            tools=called_tools(response.tools),
            footnotes=ready.footnotes,
        ),
        caller,
        headers=headers,
    )
    if ready.remembered is not None:
        await state.memory_use.note(caller, response.id, ready.remembered)
    writing = Writing(response, shows_results=ready.shows_results)
    return RunningResponse(
        response=response, writing=writing, events=as_api_errors(unnumbered(run.log.read())), run=run
    )


def _new_conversation(ready: PreparedResponse, context: Context, caller: Principal) -> NewConversation | None:
    new = context.new_conversation(caller)
    return new if new is None or ready.assistant is None else replace(new, settings=ready.assistant.stored)


async def _context(
    state: Services, caller: Principal, fields: ResponsesRequest, *, continues_stored: bool
) -> Context | None:
    """What the request goes on from, or the beginning of a new conversation; None if nothing is to be stored or read.

    Raises ApiError 404.
    """
    if fields.previous_response_id is not None and continues_stored:
        return await state.conversations.contexts.after_run(caller, fields.previous_response_id)
    if fields.conversation_id is not None:
        return await state.conversations.contexts.within(caller, fields.conversation_id, below=fields.below)
    if fields.store is False or caller.batch_line is not None:
        return None
    return await state.conversations.contexts.fresh(caller)


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
    request: Request,
    fields: ResponsesRequest,
    messages: Sequence[Message],
    caller: Principal,
    assistant: ConversationSettings | None,
) -> Prepared:
    pipeline, default = services(request).pipeline, fields.model or services(request).catalogue.default_name()

    def generation(messages: Sequence[Message]) -> GenerationRequest:
        asked = fields.generation(default, messages)
        return asked if assistant is None else assisted(asked, assistant, fields)

    if fields.truncation == "auto":
        return await prepare_to_fit(pipeline, messages, caller, generation=generation)
    return await pipeline.prepare(generation(messages), caller)


def _temperature(request: Request, prepared: Prepared) -> float:
    """The temperature that is used; OpenAI's default for an upstream's model, whose default is unknown."""
    if prepared.request.temperature is not None:
        return prepared.request.temperature
    state = services(request)
    card = state.catalogue.get(prepared.model)
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
            ),
            None if fields.text is None else fields.text.verbosity,
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
