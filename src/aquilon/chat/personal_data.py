"""A person's assistants in an archive, with their versions and pictures, and their deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec

from aquilon.chat.assistants import MOST_VERSIONS
from aquilon.chat.store import assistants as stored
from aquilon.chat.tables.assistants import StoredAssistant
from aquilon.people.personal_data import ArchiveFile, Person
from aquilon.storage import Database

_AT_ONCE = 50


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
                if row.picture is not None:
                    yield ArchiveFile(f"assistants/{row.id}.picture", self._picture(person, row.id), packed=False)

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
            versions = await stored.versions(session, person.scope, row.id, offset=0, limit=MOST_VERSIONS)
            aliases = await stored.aliases(session, person.scope, row.id)
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

    async def _picture(self, person: Person, assistant_id: str) -> AsyncIterator[bytes]:
        async with self._database.reading() as session:
            picture = await stored.picture(session, person.scope, assistant_id)
        if picture is not None:
            yield picture.content
