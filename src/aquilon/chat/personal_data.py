"""A person's memory in an archive, and its deletion."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

from aquilon.chat.memories import Memories
from aquilon.chat.store import memories as stored
from aquilon.people.personal_data import ArchiveFile, Person, as_json
from aquilon.storage import Database

_COLUMNS = ("id", "text", "project_id", "conversation_id", "item_id", "created_at", "updated_at", "expires_at")
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
            entries = await stored.entries(session, person.scope, now=int(time.time()))
            proposals = await stored.proposals(session, person.scope)
        if entries or proposals:
            described = {
                "entries": [{name: getattr(entry, name) for name in (*_COLUMNS, *_OF_USE)} for entry in entries],
                "proposals": [{name: getattr(proposal, name) for name in _OF_PROPOSAL} for proposal in proposals],
            }
            yield ArchiveFile("memory.json", as_json(described))

    async def erase(self, person: Person) -> Mapping[str, int]:
        return {"memories": await self._memories.delete_of_person(person.scope)}
