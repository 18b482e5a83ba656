"""A person's assistants and memory in an archive, and their deletion."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

import msgspec

from aquilon.chat.assistants import MOST_VERSIONS
from aquilon.chat.memories import Memories
from aquilon.chat.store import assistants as stored_assistants
from aquilon.chat.store import memories as stored_memories
from aquilon.chat.tables.assistants import AssistantPicture, StoredAssistant
from aquilon.people.personal_data import ArchiveFile, Person, as_json
from aquilon.storage import Database

_AT_ONCE = 50
_PLACES = ("project_id", "assistant_id")
_COLUMNS = ("id", "text", *_PLACES, "conversation_id", "item_id", "created_at", "updated_at", "expires_at")
_OF_USE = ("last_used_at", "uses")
_OF_PROPOSAL = ("id", "text", "conversation_id", "item_id", "created_at")


class MemoryData:
    tables = frozenset({"memory_settings", "memories", "memory_proposals", "memory_uses"})

    def __init__(self, database: Database, memories: Memories) -> None:
        self._database = database
        self._memories = memories

    async def export(self, person: Person) -> AsyncIterator[ArchiveFile]:
        """The settings go with the account."""
        async with self._database.reading() as session:
            entries = await stored_memories.entries(session, person.scope, now=int(time.time()))
            proposals = await stored_memories.proposals(session, person.scope)
        if entries or proposals:
            described = {
                "entries": [{name: getattr(entry, name) for name in (*_COLUMNS, *_OF_USE)} for entry in entries],
                "proposals": [{name: getattr(proposal, name) for name in _OF_PROPOSAL} for proposal in proposals],
            }
            yield ArchiveFile("memory.json", as_json(described))

    async def erase(self, person: Person) -> Mapping[str, int]:
        return {"memories": await self._memories.delete_of_person(person.scope)}


class AssistantData:
    tables = frozenset({"assistants"})

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, person: Person) -> AsyncIterator[ArchiveFile]:
        last = ""
        while rows := await self._after(person, last):
            for row in rows:
                last = row.id
                yield ArchiveFile(f"assistants/{row.id}.json", self._json(person, row))
                async with self._database.reading() as session:
                    picture = await stored_assistants.picture(session, person.scope, row.id)
                if picture is not None:
                    kind = picture.media_type.rpartition("/")[2]
                    yield ArchiveFile(f"assistants/{row.id}.{kind}", _content(picture), packed=False)

    async def erase(self, person: Person) -> Mapping[str, int]:
        """Those of the person's keys too; conversations that began with one keep their copies."""
        scope = person.scope
        deleted = scope.delete(StoredAssistant).returning(StoredAssistant.id)
        async with self._database.writing() as session:
            return {"assistants": len((await session.execute(deleted)).all())}

    async def _after(self, person: Person, last: str) -> list[StoredAssistant]:
        scope = person.scope
        query = scope.select(StoredAssistant).where(StoredAssistant.id > last)
        async with self._database.reading() as session:
            return list(await session.scalars(query.order_by(StoredAssistant.id).limit(_AT_ONCE)))

    async def _json(self, person: Person, row: StoredAssistant) -> AsyncIterator[bytes]:
        async with self._database.reading() as session:
            versions = await stored_assistants.versions(session, person.scope, row.id, offset=0, limit=MOST_VERSIONS)
            aliases = await stored_assistants.aliases(session, person.scope, row.id)
        described = {
            "id": row.id,
            "visibility": row.visibility,
            "version": row.version,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
            "aliases": {alias.alias: alias.version for alias in aliases},
            "versions": [
                {"number": one.number, "created_at": one.created_at, "content": msgspec.Raw(one.content.encode())}
                for one in versions
            ],
        }
        yield msgspec.json.encode(described) + b"\n"


async def _content(picture: AssistantPicture) -> AsyncIterator[bytes]:
    yield picture.content
