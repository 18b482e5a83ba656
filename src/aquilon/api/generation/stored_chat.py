"""Chat completions that the server keeps: listed, read, labelled and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.generation.chat import DIALECT
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf, bounded, listed, sliced
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.conversations.dialects.chat_answers import ChatCompletion, FunctionCallBody, Shape, ToolCallBody, Writing
from aquilon.conversations.dialects.chat_fields import Metadata
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.footnotes import Checked, Cited, Searched
from aquilon.conversations.items import CallItem, Item, MessageItem, ReasoningItem, decoded
from aquilon.conversations.messages import messages_of
from aquilon.conversations.replay import events_of_items
from aquilon.conversations.run import RunEnded
from aquilon.conversations.store.items import OPEN_RUNS
from aquilon.conversations.tables import StoredItem, StoredRun
from aquilon.errors import ApiError, invalid
from aquilon.people.identity import Principal
from aquilon.text.messages import ImagePart, Message

routes = Routes(tag="chat")

_COMPLETION = "/v1/chat/completions/{completion_id}"
_MOST_LABELS = 16


class DeletedCompletion(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "chat.completion.deleted"
    deleted: bool = True


class TextPartBody(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class ImageUrlBody(msgspec.Struct, frozen=True, omit_defaults=True):
    url: str
    detail: str | None = None


class ImagePartBody(msgspec.Struct, frozen=True, tag_field="type", tag="image_url"):
    image_url: ImageUrlBody


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the request."""

    id: str
    role: str
    content: str | None
    content_parts: list[TextPartBody | ImagePartBody] | None
    """All parts of the content, if it has other parts than text."""
    name: str | None = None
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallBody] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET


class MetadataFields(Fields):
    metadata: Metadata | None


@routes.get(
    "/v1/chat/completions",
    "List the stored chat completions",
    answer=PageOf[ChatCompletion],
    says="A page of the chat completions that were stored with `store`, the oldest first unless `order` is `desc`.",
)
async def list_chat_completions(
    request: Request,
    caller: Caller,
    model: str | None = None,
    after: str | None = None,
    limit: int = 20,
    order: Literal["asc", "desc"] = "asc",
) -> Response:
    """`model` is the one that answered; `metadata[NAME]=TEXT` finds those with this text in their metadata."""
    runs, has_more = await services(request).runs.page(
        caller,
        dialect=DIALECT,
        labels=_wanted_labels(request),
        model=model,
        after=after,
        oldest_first=order == "asc",
        limit=bounded(limit, least=0),
    )
    return json_answer(listed([completion_of(run, output) for run, output in runs], has_more=has_more))


@routes.get(
    _COMPLETION,
    "Read a stored chat completion",
    answer=ChatCompletion,
    says="The chat completion, without log probabilities. One that failed has what was written of it, and `error` as "
    "its `finish_reason`.",
)
async def get_chat_completion(request: Request, caller: Caller, completion_id: str) -> Response:
    state = services(request)
    return json_answer(await _stored_completion(state, await _run(state, caller, completion_id)))


@routes.post(
    _COMPLETION,
    "Change the metadata of a stored chat completion",
    request=MetadataFields,
    answer=ChatCompletion,
    says="The chat completion with its new metadata, which replace the old.",
)
async def update_chat_completion(request: Request, caller: Caller, completion_id: str) -> Response:
    fields = await read_body(request, MetadataFields)
    state = services(request)
    run = await _run(state, caller, completion_id)
    await state.runs.label(caller, run, fields.metadata or {})
    return json_answer(await _stored_completion(state, await _run(state, caller, completion_id)))


@routes.delete(
    _COMPLETION,
    "Delete a stored chat completion",
    answer=DeletedCompletion,
    says="The chat completion is deleted, with its messages. One that is being written is ended first.",
)
async def delete_chat_completion(request: Request, caller: Caller, completion_id: str) -> Response:
    state = services(request)
    run = await _run(state, caller, completion_id)
    await state.runs.cancel(caller, run)
    await state.conversations.deletion.delete_run(caller, run)
    return json_answer(DeletedCompletion(id=completion_id))


@routes.get(
    _COMPLETION + "/messages",
    "List the messages of a stored chat completion",
    answer=PageOf[StoredMessage],
    says="The messages of the request, the first one first unless `order` is `desc`.",
)
async def list_messages(
    request: Request,
    caller: Caller,
    completion_id: str,
    after: str | None = None,
    limit: int = 20,
    order: Literal["asc", "desc"] = "asc",
) -> Response:
    state, limit = services(request), bounded(limit, least=0)
    run = await _run(state, caller, completion_id)
    messages = _messages(await state.conversations.items_of_run(run, output=False))
    if order == "desc":
        messages.reverse()
    shown, has_more = sliced(messages, after, limit)
    return json_answer(listed(shown, has_more=has_more))


def _wanted_labels(request: Request) -> dict[str, str]:
    """The query's ``metadata[NAME]=TEXT``. Raises ApiError 400 for too many."""
    labels = {
        name.removeprefix("metadata[").removesuffix("]"): text
        for name, text in request.query_params.items()
        if name.startswith("metadata[") and name.endswith("]")
    }
    if len(labels) > _MOST_LABELS:
        raise invalid(f"metadata has {len(labels)} texts; an answer has at most {_MOST_LABELS}", param="metadata")
    return labels


async def _run(state: Services, caller: Principal, completion_id: str) -> StoredRun:
    """Raises ApiError 404."""
    return await state.runs.required(caller, completion_id, dialect=DIALECT, kind="chat completion")


async def _stored_completion(state: Services, run: StoredRun) -> ChatCompletion:
    """Raises ApiError 409 while it is written."""
    if run.status in OPEN_RUNS:
        raise ApiError(
            409,
            "invalid_request_error",
            f"The chat completion '{run.id}' is being written: read it when it has ended",
            code="chat_completion_in_progress",
        )
    return completion_of(run, await state.conversations.items_of_run(run, output=True))


def completion_of(run: StoredRun, output: Sequence[StoredItem]) -> ChatCompletion:
    """The chat completion of a run that has ended."""
    shape = msgspec.json.decode(run.body, type=Shape)
    writing = Writing(msgspec.structs.replace(shape, model=run.model, logprobs=False, token_ids=False))
    for event in events_of_items(run, output):
        if isinstance(event, Searched | Cited | Checked):  # of other dialects' answers
            continue
        writing.add(event.usage if isinstance(event, RunEnded) else event)
    completion = writing.completion
    if run.status in ("failed", "cancelled"):
        choices = [msgspec.structs.replace(choice, finish_reason="error") for choice in completion.choices]
        completion = msgspec.structs.replace(completion, choices=choices)
    return msgspec.structs.replace(completion, metadata=msgspec.json.decode(run.labels, type=dict[str, str]))


def _messages(rows: Iterable[StoredItem]) -> list[StoredMessage]:
    """Each message has the id of its first item."""
    ids, groups = list[str](), list[list[Item]]()
    for row in rows:
        item = decoded(row.content)
        if groups and _belongs(item, groups[-1][-1]):
            groups[-1].append(item)
        else:
            ids.append(row.id)
            groups.append([item])
    return [_message(id_, message) for id_, group in zip(ids, groups, strict=True) for message in messages_of(group)]


def _belongs(item: Item, before: Item) -> bool:
    """Whether an item is of the same message as the one before it."""
    if isinstance(before, ReasoningItem):
        return True
    of_assistant = isinstance(before, CallItem) or (isinstance(before, MessageItem) and before.role == "assistant")
    return isinstance(item, CallItem) and of_assistant


def _message(id_: str, message: Message) -> StoredMessage:
    calls = [
        ToolCallBody(call.id, FunctionCallBody(call.function.name, call.function.arguments))
        for call in message.tool_calls
    ]
    return StoredMessage(
        id=id_,
        role=message.role,
        content=message.content if message.content or not calls else None,
        content_parts=_parts(message) or None,
        name=message.name,
        reasoning_content=message.reasoning or UNSET,
        tool_calls=calls or UNSET,
        tool_call_id=message.tool_call_id or UNSET,
    )


def _parts(message: Message) -> list[TextPartBody | ImagePartBody]:
    return [
        ImagePartBody(ImageUrlBody(part.url, part.detail)) if isinstance(part, ImagePart) else TextPartBody(part.text)
        for part in message.parts
    ]
