"""The paths that both contracts have: a conversation itself, and the list of the caller's conversations."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body, read_either
from aquilon.api.conversations import mistral
from aquilon.api.conversations.bodies import (
    ConversationBody,
    ConversationPage,
    DeletedConversation,
    MistralAgentConversation,
    MistralConversation,
    conversation_body,
    mistral_conversations,
)
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.conversations import ConversationChange
from aquilon.conversations.dialects.chat_fields import Metadata
from aquilon.conversations.dialects.conversation_settings import ConversationSettings
from aquilon.conversations.dialects.dialect import dialect_of, note_dialect
from aquilon.conversations.dialects.fields import Fields, OwnFields
from aquilon.conversations.dialects.mistral_events import CONVERSATION_EVENTS, ConversationResponse
from aquilon.conversations.dialects.mistral_fields import AppendToConversation, StartConversation
from aquilon.conversations.dialects.prompts_of_items import require_calls
from aquilon.conversations.dialects.responses_fields import MAX_ITEMS
from aquilon.conversations.dialects.responses_items import InputItem, items, referred_items
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.store.conversations import Chosen
from aquilon.conversations.visible import default_visibility
from aquilon.errors import invalid, unsupported
from aquilon.people.secrets import new_id

routes = Routes("/v1/conversations", tag="conversations")

OpenAIFields = TypeVar("OpenAIFields", bound=Fields)
MistralFields = TypeVar("MistralFields", bound=Fields)

_CONVERSATION = "/{conversation_id}"
Visibility = Literal["user", "workspace"]


class ChangeConversation(Fields):
    """OpenAI's change of a conversation. A field that isn't sent leaves what is there."""

    metadata: Metadata | None = Field(None, description="In place of all metadata that is there; null is none.")
    title: str | None = Field(None, max_length=256)
    visibility: Visibility | None = Field(
        None,
        description="`workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which "
        "is how a person's conversation begins.",
    )
    pinned: bool | None = Field(
        None, description="For all who see the conversation. Doesn't change when it was updated last."
    )
    archived: bool | None = Field(
        None, description="For all who see the conversation. Archived conversations are kept, and found by a search."
    )
    project_id: str | None = Field(
        None,
        max_length=256,
        description="The project that it is put into, whose instructions then come first in each answer; null takes it "
        "out. A conversation that the workspace sees needs a project that the workspace sees.",
    )


class NameConversation(OwnFields):
    model: str | None = Field(
        None, min_length=1, max_length=1000, description="The model to ask; without it, the one that answered last."
    )


class MoveConversation(ChangeConversation):
    """A change that may also go to another branch."""

    head_id: str | None = Field(
        None, min_length=1, max_length=256, description="The item that the next one is added below, on any branch."
    )


class CreateConversation(ChangeConversation):
    """OpenAI's new conversation, which nothing answers yet."""

    items: Annotated[list[InputItem], Field(max_length=MAX_ITEMS)] | None = None
    agent_id: str | None = Field(
        None,
        max_length=256,
        description="The assistant that answers in it: it keeps a copy, and goes on with it whatever becomes of the "
        "assistant.",
    )
    agent_version: Annotated[str, Field(max_length=64)] | int | None = Field(
        None, description="A number or an alias; without it, the present version."
    )


@routes.post(
    "",
    "Begin a conversation",
    request=(CreateConversation, StartConversation),
    answer=(ConversationBody, ConversationResponse),
    says="The conversation. With `inputs`, in Mistral's shape, the answer to them, or a stream of its events.",
    stream=CONVERSATION_EVENTS,
)
async def create_conversation(request: Request, caller: Caller) -> Response:
    fields = await _read(request, CreateConversation, StartConversation)
    if isinstance(fields, StartConversation):
        return await mistral.start(request, caller, fields)
    conversations = services(request).conversations
    default = default_visibility(caller)
    if fields.visibility == "user" != default:
        raise invalid(
            "A key can't begin a conversation that only a person sees: sign in, or leave out 'visibility'",
            param="visibility",
            code="visibility_of_person",
        )
    new_items = items(
        fields.items or [], known=await referred_items(conversations, caller, fields.items), param="items"
    )
    require_calls((), new_items, param="items")
    settings = ConversationSettings()
    if fields.agent_id is not None:
        settings = await services(request).assistants.settings(caller, fields.agent_id, fields.agent_version)
    new = NewConversation(
        id=new_id("conv"),
        visibility=fields.visibility or default,
        implicit=False,
        title=fields.title,
        named_by_person=fields.title is not None,
        labels=_labels(fields.metadata or {}),
        settings=settings.stored,
        pinned=fields.pinned is True,
        archived=fields.archived is True,
        project_id=fields.project_id,
    )
    return json_answer(conversation_body(await conversations.create(caller, new, new_items)))


@routes.get(
    "",
    "List the conversations",
    answer=(ConversationPage, list[MistralConversation], list[MistralAgentConversation]),
    says="The caller's conversations, the one with the latest change first. With `page` or `page_size`, and for "
    "Mistral's clients, a list in Mistral's shape.",
)
async def list_conversations(
    request: Request,
    caller: Caller,
    after: str | None = None,
    limit: int = 20,
    page: Annotated[int | None, Query(ge=0, le=10**6)] = None,
    page_size: Annotated[int | None, Query(ge=1, le=MOST)] = None,
    metadata: str | None = None,
    pinned: Annotated[bool | None, Query(description="Only pinned ones, or only others.")] = None,
    archived: Annotated[bool | None, Query(description="Only archived ones, or only others. Without it, both.")] = None,
    project_id: Annotated[
        str | None, Query(max_length=256, description="Only those in this project; with `none`, those in no project.")
    ] = None,
) -> Response:
    state, chosen = services(request), Chosen(pinned=pinned, archived=archived, project_id=project_id)
    if page is not None or page_size is not None:
        note_dialect(request.scope, "mistral")
    if metadata is not None and metadata.startswith("{"):  # Mistral's client sends a text if there is none
        raise unsupported("A list by 'metadata' is", param="metadata")
    if dialect_of(request.scope) != "mistral":
        rows, more = await state.conversations.latest_first(caller, chosen=chosen, after=after, limit=bounded(limit))
        return json_answer(listed([conversation_body(row, listed=True) for row in rows], has_more=more))
    size = page_size or MOST
    rows, _ = await state.conversations.latest_first(
        caller, chosen=chosen, offset=(page or 0) * size, limit=size, settings=True
    )
    return json_answer(await mistral_conversations(state, caller, rows))


@routes.get(
    _CONVERSATION,
    "Read a conversation",
    answer=(ConversationBody, MistralConversation, MistralAgentConversation),
    says="The conversation without its items. For Mistral's clients in Mistral's shape.",
)
async def get_conversation(request: Request, caller: Caller, conversation_id: str) -> Response:
    state = services(request)
    row = await state.conversations.get(caller, conversation_id)
    if dialect_of(request.scope) == "mistral":
        [conversation] = await mistral_conversations(state, caller, [row])
        return json_answer(conversation)
    return json_answer(conversation_body(row))


@routes.post(
    _CONVERSATION,
    "Change a conversation, or answer further entries",
    request=(MoveConversation, AppendToConversation),
    answer=(ConversationBody, ConversationResponse),
    says="The conversation. With `inputs`, in Mistral's shape, the answer to them, or a stream of its events.",
    stream=CONVERSATION_EVENTS,
)
async def change_conversation(request: Request, caller: Caller, conversation_id: str) -> Response:
    fields = await _read(request, MoveConversation, AppendToConversation)
    if isinstance(fields, AppendToConversation):
        return await mistral.append(request, caller, fields, conversation_id=conversation_id)
    sent = fields.model_fields_set
    change = ConversationChange(
        title=fields.title if "title" in sent else msgspec.UNSET,
        visibility=fields.visibility,
        labels=_labels(fields.metadata or {}) if "metadata" in sent else None,
        pinned=fields.pinned,
        archived=fields.archived,
        project_id=fields.project_id if "project_id" in sent else msgspec.UNSET,
        head_id=fields.head_id,
    )
    return json_answer(conversation_body(await services(request).conversations.change(caller, conversation_id, change)))


@routes.post(
    f"{_CONVERSATION}/title",
    "Give a conversation a title",
    request=NameConversation,
    answer=ConversationBody,
    says="The conversation, with a title in the language of its question: the model's, or the question's first words, "
    "for which a later request tries again. One that has another title keeps it. The request to the model is paid for, "
    "and is no message of a person's quota.",
)
async def name_conversation(request: Request, caller: Caller, conversation_id: str) -> Response:
    fields = await read_body(request, NameConversation)
    named = await services(request).titles.give(caller, conversation_id, model=fields.model)
    return json_answer(conversation_body(named))


@routes.delete(
    _CONVERSATION,
    "Delete a conversation",
    answer=DeletedConversation,
    says="The conversation is deleted, with its items and with the libraries in its `vector_store_ids` whose own "
    "metadata names it as `conversation_id`; answers that are being written end. Mistral's clients get 204 without a "
    "body.",
)
async def delete_conversation(request: Request, caller: Caller, conversation_id: str) -> Response:
    state = services(request)
    await state.conversations.get(caller, conversation_id)
    await state.runs.cancel_all(caller, [conversation_id])
    await state.conversations.deletion.delete(caller, conversation_id)
    if dialect_of(request.scope) == "mistral":
        return Response(status_code=204)
    return json_answer(DeletedConversation(id=conversation_id))


async def _read(
    request: Request, openai: type[OpenAIFields], mistrals: type[MistralFields]
) -> OpenAIFields | MistralFields:
    """The body in the dialect that it shows, in which errors are then written."""

    def choose(content: Any) -> type[OpenAIFields] | type[MistralFields]:
        if dialect_of(request.scope) != "mistral" and not (isinstance(content, dict) and "inputs" in content):
            return openai
        note_dialect(request.scope, "mistral")
        return mistrals

    return await read_either(request, choose)


def _labels(metadata: dict[str, str]) -> str:
    return msgspec.json.encode(metadata).decode()
