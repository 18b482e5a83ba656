"""``/v1/memories``: what a person lets models know about them, for that person alone: our own extension."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller, Person
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf, PageOf, bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.chat.memories import MOST_CHARACTERS, MOST_KEYS, MemoryChange, Settings, Source
from aquilon.chat.tables.memories import Memory
from aquilon.conversations.dialects.fields import OwnFields

routes = Routes("/v1", tag="memory")

_MEMORY = "/memories/{memory_id}"
MOST_ID_CHARACTERS = 256


class SourceFields(OwnFields):
    conversation_id: str = Field(max_length=MOST_ID_CHARACTERS)
    item_id: str = Field(max_length=MOST_ID_CHARACTERS)

    @property
    def source(self) -> Source:
        return Source(self.conversation_id, self.item_id)


class ChangeMemory(OwnFields):
    """A field that isn't sent leaves what is there."""

    text: str | None = Field(None, min_length=1, max_length=MOST_CHARACTERS)
    project_id: str | None = Field(
        None,
        max_length=MOST_ID_CHARACTERS,
        description="The project in whose conversations it is used; null for everywhere.",
    )
    assistant_id: str | None = Field(
        None,
        max_length=MOST_ID_CHARACTERS,
        description="The assistant whose answers it is used in, the `id` of an agent; null for all answers.",
    )
    expires_at: int | None = Field(
        None, description="When it is deleted, in unix seconds; null for when its person deletes it."
    )

    @property
    def change(self) -> MemoryChange:
        sent = self.model_fields_set
        return MemoryChange(
            text=UNSET if self.text is None else self.text,
            project_id=self.project_id if "project_id" in sent else UNSET,
            assistant_id=self.assistant_id if "assistant_id" in sent else UNSET,
            expires_at=self.expires_at if "expires_at" in sent else UNSET,
        )


class CreateMemory(ChangeMemory):
    text: str = Field(min_length=1, max_length=MOST_CHARACTERS)
    source: SourceFields | None = Field(None, description="The stored message that it comes from.")


class ChangeMemorySettings(OwnFields):
    """A field that isn't sent leaves what is there."""

    enabled: bool | None = Field(
        None, description="Whether models get what is remembered. Off at first; turning it off deletes nothing."
    )
    proposes: bool | None = Field(
        None, description="Whether models may be asked what to remember of a message; the person decides on each."
    )
    key_ids: list[str] | None = Field(
        None,
        max_length=MOST_KEYS,
        description="The person's own API keys whose requests may say `memory: true`. One that gets another secret "
        "later must be named again.",
    )


class MemorySettingsBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "memory.settings"
    enabled: bool
    proposes: bool
    key_ids: Sequence[str]


class MemorySource(msgspec.Struct, frozen=True, kw_only=True):
    conversation_id: str
    item_id: str | None
    """Null once the message was deleted."""


class MemoryBody(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the caller's memory. Times are in unix seconds."""

    id: str
    object: str = "memory"
    text: str
    project_id: str | None
    """The project in whose conversations it is used; null for everywhere."""
    assistant_id: str | None
    """The assistant whose answers it is used in; null for all answers."""
    source: MemorySource | None
    """The message that it comes from; null for none, or one that was deleted with its conversation."""
    created_at: int
    updated_at: int
    expires_at: int | None
    last_used_at: int | None
    uses: int
    """In how many answers it was used."""


class MemoryPage(PageOf[MemoryBody], frozen=True, kw_only=True):
    pass


class DeletedMemory(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "memory.deleted"
    deleted: bool = True


class DeletedMemories(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "memories.deleted"
    deleted: int
    """How many entries and proposals."""


class UsedMemories(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries of the caller's memory a response used."""

    object: str = "response.memories"
    response_id: str
    memory_ids: Sequence[str]


class PersonMemory(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.memory"
    user_id: str
    enabled: bool


@routes.get(
    "/memories/settings",
    "Get whether one's own memory is on",
    answer=MemorySettingsBody,
    says="The settings of the person who is signed in.",
)
async def get_memory_settings(request: Request, person: Person) -> Response:
    return json_answer(_settings(await services(request).memories.settings(person.principal)))


@routes.put(
    "/memories/settings",
    "Turn one's own memory on or off",
    request=ChangeMemorySettings,
    answer=MemorySettingsBody,
    says="The settings as they are now.",
)
async def change_memory_settings(request: Request, person: Person) -> Response:
    fields = await read_body(request, ChangeMemorySettings)
    changed = await services(request).memories.set(
        person.principal, enabled=fields.enabled, proposes=fields.proposes, key_ids=fields.key_ids
    )
    return json_answer(_settings(changed))


@routes.get(
    "/memories",
    "List or search one's own memory",
    answer=MemoryPage,
    says="The entries that have all words of `query`, the latest first.",
)
async def list_memories(
    request: Request,
    person: Person,
    query: str = "",
    project_id: str | None = None,
    assistant_id: str | None = None,
    after: str | None = None,
    limit: int = 20,
) -> Response:
    rows, more = await services(request).memories.page(
        person.principal,
        query=query[:MOST_CHARACTERS],
        project_id=project_id,
        assistant_id=assistant_id,
        after=after,
        limit=bounded(limit),
    )
    return json_answer(listed([memory_body(row) for row in rows], has_more=more))


@routes.post(
    "/memories", "Remember something about oneself", request=CreateMemory, answer=MemoryBody, says="The entry."
)
async def create_memory(request: Request, person: Person) -> Response:
    fields = await read_body(request, CreateMemory)
    memory = await services(request).memories.create(
        person.principal,
        fields.text,
        project_id=fields.project_id,
        assistant_id=fields.assistant_id,
        source=None if fields.source is None else fields.source.source,
        expires_at=fields.expires_at,
    )
    return json_answer(memory_body(memory))


@routes.delete("/memories", "Delete one's whole memory", answer=DeletedMemories, says="How much was deleted, for ever.")
async def delete_memories(request: Request, person: Person) -> Response:
    return json_answer(DeletedMemories(deleted=await services(request).memories.delete_all(person.principal)))


@routes.post(
    _MEMORY, "Change an entry of one's memory", request=ChangeMemory, answer=MemoryBody, says="The entry as it is now."
)
async def change_memory(request: Request, person: Person, memory_id: str) -> Response:
    fields = await read_body(request, ChangeMemory)
    return json_answer(memory_body(await services(request).memories.change(person.principal, memory_id, fields.change)))


@routes.delete(_MEMORY, "Delete an entry of one's memory", answer=DeletedMemory, says="The entry is deleted for ever.")
async def delete_memory(request: Request, person: Person, memory_id: str) -> Response:
    await services(request).memories.delete(person.principal, memory_id)
    return json_answer(DeletedMemory(id=memory_id))


@routes.get(
    "/responses/{response_id}/memories",
    "Get which entries of one's memory a response used",
    answer=UsedMemories,
    says="The ids of the caller's own entries; nobody else's are shown.",
)
async def memories_of_response(request: Request, caller: Caller, response_id: str) -> Response:
    used = await services(request).memories.used(caller, run_id=response_id)
    return json_answer(UsedMemories(response_id=response_id, memory_ids=[memory_id for _, memory_id in used]))


@routes.get(
    "/conversations/{conversation_id}/memories",
    "List which entries of one's memory the responses of a conversation used",
    answer=ListOf[UsedMemories],
    says="Each response of the conversation that used some of the caller's own entries.",
)
async def memories_of_conversation(request: Request, caller: Caller, conversation_id: str) -> Response:
    by_response: dict[str, list[str]] = {}
    for run_id, memory_id in await services(request).memories.used(caller, conversation_id=conversation_id):
        by_response.setdefault(run_id, []).append(memory_id)
    data = [UsedMemories(response_id=run_id, memory_ids=ids) for run_id, ids in by_response.items()]
    return json_answer(ListOf(data=data))


@routes.get(
    "/organization/memories",
    "List which people have their memory on",
    answer=ListOf[PersonMemory],
    says="Whether it is on, for each person who has set it; what it has is theirs alone.",
)
async def list_memory_switches(request: Request, caller: Caller) -> Response:
    switched = await services(request).memories.switched_on(caller)
    return json_answer(ListOf(data=[PersonMemory(user_id=id_, enabled=on) for id_, on in sorted(switched.items())]))


def memory_body(row: Memory) -> MemoryBody:
    source = None
    if row.conversation_id is not None:
        source = MemorySource(conversation_id=row.conversation_id, item_id=row.item_id)
    return MemoryBody(
        id=row.id,
        text=row.text,
        project_id=row.project_id,
        assistant_id=row.assistant_id,
        source=source,
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        uses=row.uses,
    )


def _settings(settings: Settings) -> MemorySettingsBody:
    return MemorySettingsBody(enabled=settings.enabled, proposes=settings.proposes, key_ids=settings.key_ids)
