"""Mistral's conversations: answers to further entries, and the entries that a conversation has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.conversations.bodies import time_of
from aquilon.api.errors import as_api_errors, params_as
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.generation.assisted import missing_parts_explained
from aquilon.api.generation.file_search import found_sources, prepare_with_sources
from aquilon.api.json_answer import json_answer
from aquilon.api.reader import Reader, Right, may_ask_models, may_see
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.contexts import Context
from aquilon.conversations.dialects.conversation_settings import ConversationSettings, kept_settings
from aquilon.conversations.dialects.dialect import note_dialect
from aquilon.conversations.dialects.mistral_entries import (
    Entry,
    MessageEntry,
    MessageInputEntry,
    MessageOutputEntry,
    entry,
)
from aquilon.conversations.dialects.mistral_events import (
    CONVERSATION_EVENTS,
    ConversationResponse,
    frames,
    whole_answer,
)
from aquilon.conversations.dialects.mistral_fields import (
    AppendToConversation,
    RestartConversation,
    StartConversation,
    labels_of,
)
from aquilon.conversations.dialects.prompts_of_items import joined_instructions, prompt_messages
from aquilon.conversations.footnotes import Footnote
from aquilon.conversations.items import Item, decoded
from aquilon.conversations.live_run import RunRequest
from aquilon.conversations.new_items import copied_items, new_items
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.run import RunEvent, unnumbered
from aquilon.conversations.store.items import Place
from aquilon.conversations.visible import default_visibility
from aquilon.errors import invalid
from aquilon.generation.prepared import Prepared
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.request import Event

routes = Routes("/v1/conversations/{conversation_id}", tag="conversations")

DIALECT = "mistral"
_PARAMS = {
    "messages": "inputs",
    "max_tokens": "completion_args.max_tokens",
    "response_format": "completion_args.response_format",
}
MOST_ENTRIES = 20_000
"""A longer conversation is listed in pages."""


class ConversationHistory(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "conversation.history"
    conversation_id: str
    entries: list[Entry]


class ConversationMessages(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "conversation.messages"
    conversation_id: str
    messages: list[MessageEntry]


async def start(request: Request, caller: Principal, fields: StartConversation) -> Response:
    """Begin a conversation and answer its first entries. Raises ApiError."""
    fields.require_possible()
    conversations = services(request).conversations
    place = (await conversations.contexts.fresh(caller)).place
    settings = await _settings(request, caller, fields, ConversationSettings())
    new = NewConversation(
        id=place.conversation_id,
        visibility=default_visibility(caller),
        implicit=False,
        title=fields.name,
        named_by_person=fields.name is not None,
        labels=labels_of(fields.metadata or {}),
        settings=settings.stored,
    )
    return await _answer(request, caller, fields, place=place, settings=settings, new=new)


async def append(
    request: Request, caller: Principal, fields: AppendToConversation, *, conversation_id: str
) -> Response:
    """Answer further entries of a conversation, in whichever dialect it began. Raises ApiError."""
    fields.require_possible()
    conversations = services(request).conversations
    context = await conversations.contexts.within(caller, conversation_id)
    settings = await _settings(request, caller, fields, await _kept(request, caller, context))
    return await _answer(
        request,
        caller,
        fields,
        place=context.place,
        settings=settings,
        history=context.history.items,
        context=context,
    )


@routes.post(
    "/restart",
    "Begin another conversation with the entries of this one",
    request=RestartConversation,
    answer=ConversationResponse,
    says="The answer in the new conversation, or a stream of its events.",
    stream=CONVERSATION_EVENTS,
)
async def restart_conversation(request: Request, caller: Caller, conversation_id: str) -> Response:
    note_dialect(request.scope, "mistral")
    fields = await read_body(request, RestartConversation)
    fields.require_possible()
    conversations = services(request).conversations
    old = await conversations.contexts.within(caller, conversation_id, below=fields.from_entry_id)
    kept = await _kept(request, caller, old)
    place = (await conversations.contexts.fresh(caller)).place
    assert old.conversation is not None
    new = NewConversation(
        id=place.conversation_id,
        visibility=old.conversation.visibility,
        implicit=False,
        title=old.conversation.title,
        named_by_person=bool(old.conversation.named_by_person),
        labels=old.conversation.labels if fields.metadata is None else labels_of(fields.metadata),
        settings=kept.stored,
        project_id=old.conversation.project_id,
    )
    return await _answer(
        request,
        caller,
        fields,
        place=place,
        settings=await _settings(request, caller, fields, kept),
        history=old.history.items,
        new=new,
        context=old,
    )


@routes.get(
    "/history",
    "List the entries of a conversation",
    answer=ConversationHistory,
    says="All entries down to the latest one, in Mistral's shape, the first one first.",
)
async def get_history(request: Request, caller: Caller, conversation_id: str) -> Response:
    entries = await _entries(request, caller, conversation_id)
    return json_answer(ConversationHistory(conversation_id=conversation_id, entries=entries))


@routes.get(
    "/messages",
    "List the messages of a conversation",
    answer=ConversationMessages,
    says="The entries that are messages, in Mistral's shape, the first one first.",
)
async def get_messages(request: Request, caller: Caller, conversation_id: str) -> Response:
    entries = await _entries(request, caller, conversation_id)
    messages = [one for one in entries if isinstance(one, MessageInputEntry | MessageOutputEntry)]
    return json_answer(ConversationMessages(conversation_id=conversation_id, messages=messages))


async def _answer(
    request: Request,
    caller: Principal,
    fields: AppendToConversation,
    *,
    place: Place,
    settings: ConversationSettings,
    history: Sequence[Item] = (),
    new: NewConversation | None = None,
    context: Context | None = None,
) -> Response:
    """Answer the request's entries below ``history``, which a ``new`` conversation gets as a copy.

    ``context``: of the conversation that has the history.
    """
    state, inputs = services(request), fields.items()
    if not inputs and (new is None or not history):
        raise invalid("There is no entry in 'inputs': there is nothing to answer", param="inputs")
    assistant = None if settings.agent_id is None else settings
    with missing_parts_explained(assistant):
        footnotes = await found_sources(
            state,
            caller,
            [*history, *inputs],
            library_ids=settings.library_ids,
            project_library_ids=() if context is None else context.project.library_ids,
        )

    is_stored = fields.store is not False and caller.batch_line is None
    remembered = await state.memory_use.for_answer(
        caller,
        [*history, *inputs],
        conversation=None if context is None else context.conversation,
        assistant_id=settings.agent_id,
        is_stored=is_stored,
    )

    async def prepare(sources: str | None) -> Prepared:
        instructions = joined_instructions(
            None if remembered is None else remembered.instruction,
            None if context is None else context.project.instructions,
            settings.instructions,
            sources,
        )
        messages = prompt_messages(instructions, history, inputs, param="inputs")
        generation = settings.generation(settings.model or state.catalogue.default_name(), messages)
        with params_as(_PARAMS), missing_parts_explained(assistant):
            return await state.pipeline.prepare(generation, caller)

    prepared = await prepare(None) if footnotes is None else await prepare_with_sources(footnotes, prepare)
    answer_id, headers = new_id("run"), model_answer_headers(request, prepared.model)
    events: AsyncGenerator[Event | RunEvent | Footnote]
    right: Right = may_ask_models
    if not is_stored:
        events = state.pipeline.answer(
            [prepared], caller, request_id=answer_id, headers=headers, streamed=bool(fields.stream)
        )
        if footnotes is not None:
            events = footnotes.added_to(events)
    else:
        await state.conversations.require_kept(caller)
        copies = [] if new is None else copied_items(history)
        run = await state.runs.start(
            RunRequest(
                id=answer_id,
                dialect=DIALECT,
                prepared=prepared,
                body="{}",
                place=place,
                new_conversation=new,
                names_conversation=context is not None and context.untitled if new is None else new.title is None,
                input=[*copies, *new_items(inputs)],
                footnotes=footnotes,
            ),
            caller,
            headers=headers,
        )
        if remembered is not None:
            await state.memory_use.note(caller, answer_id, remembered)
        events, right = unnumbered(run.log.read()), may_see(state.runs, run.id)
    facts: dict[str, Any] = {
        "answer_id": answer_id,
        "conversation_id": place.conversation_id,
        "model": prepared.model,
        "agent_id": settings.agent_id,
    }
    if fields.stream:
        return EventStream(frames(as_api_errors(events), **facts), Reader(request, right))
    answering = whole_answer(events, **facts)
    return json_answer(await answer_unless_gone(request, answering))


async def _settings(
    request: Request, caller: Principal, fields: AppendToConversation, kept: ConversationSettings
) -> ConversationSettings:
    """What to answer with: the request's own fields, for others those of its agent, or those that are kept.

    Raises ApiError 404, and 400 for a version of no agent.
    """
    agent_id = fields.agent_id or (None if fields.agent_version is None else kept.agent_id)
    if agent_id is None:
        if fields.agent_version is not None:
            raise invalid("An 'agent_version' needs an 'agent_id'", param="agent_version", code="unsupported")
        return fields.settings(kept)
    if (agent_id, fields.agent_version) == (kept.agent_id, None):
        return fields.settings(kept)
    return fields.settings(await services(request).assistants.settings(caller, agent_id, fields.agent_version))


async def _kept(request: Request, caller: Principal, context: Context) -> ConversationSettings:
    assert context.conversation is not None
    [settings] = await kept_settings(services(request).conversations, caller, [context.conversation])
    return settings


async def _entries(request: Request, caller: Principal, conversation_id: str) -> list[Entry]:
    conversations = services(request).conversations
    note_dialect(request.scope, "mistral")
    rows, more = await conversations.page(caller, conversation_id, order="asc", limit=MOST_ENTRIES)
    if more:
        raise invalid(
            "This conversation is too long for one answer: list its items in pages, at "
            f"/v1/conversations/{conversation_id}/items",
            code="conversation_too_large",
        )
    models = await conversations.models_of_runs(caller, conversation_id)
    agent_id = ConversationSettings.of(await conversations.get(caller, conversation_id)).agent_id
    return [
        entry(
            row.id,
            decoded(row.content),
            at=time_of(row.created_at),
            model=models.get(row.run_id or "") if row.output else None,
            agent_id=agent_id if row.output else None,
            ended=row.status == "completed",
        )
        for row in rows
    ]
