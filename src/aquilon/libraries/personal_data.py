"""A person's libraries in an archive, with what is in them, and their deletion with the passages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec
from sqlalchemy import tuple_

from aquilon.libraries.libraries import Libraries
from aquilon.libraries.tables import Library, LibraryDocument
from aquilon.people.personal_data import ArchiveFile, Person
from aquilon.people.scope import Scope
from aquilon.storage import Database

_AT_ONCE = 200
_LIBRARY_COLUMNS = ("id", "name", "description", "visibility", "created_at", "updated_at", "last_active_at")
_DOCUMENT_COLUMNS = ("library_id", "file_id", "name", "status", "error", "pages", "characters", "tokens", "created_at")


class LibraryData:
    tables = frozenset({"libraries", "library_batches", "library_documents", "library_passages"})

    def __init__(self, database: Database, libraries: Libraries) -> None:
        self._database = database
        self._libraries = libraries

    async def export(self, person: Person) -> AsyncIterator[ArchiveFile]:
        """The text of a document is in its file, which whoever uploaded it has in their archive."""
        last = ""
        while rows := await self._after(person, last):
            for row in rows:
                last = row.id
                yield ArchiveFile(f"libraries/{row.id}.json", self._json(row))
        if added := await self._added_after(person, ("", "")):
            yield ArchiveFile("documents.jsonl", self._lines(person, added))

    async def erase(self, person: Person) -> Mapping[str, int]:
        """Libraries that the person shared too, and what they added to those of others."""
        libraries = 0
        while number := await self._libraries.delete_of_person(person.scope):
            libraries += number
        documents = 0
        while number := await self._libraries.delete_documents_of_person(person.scope):
            documents += number
        return {"libraries": libraries, "documents": documents}

    async def _after(self, person: Person, last: str) -> list[Library]:
        scope = person.scope
        query = scope.select(Library).where(Library.id > last).order_by(Library.id).limit(_AT_ONCE)
        async with self._database.reading() as session:
            return list(await session.scalars(query))

    async def _json(self, library: Library) -> AsyncIterator[bytes]:
        head = {name: getattr(library, name) for name in _LIBRARY_COLUMNS}
        head["metadata"] = msgspec.Raw(library.labels.encode())
        yield msgspec.json.encode(head)[:-1] + b',"documents":[\n'
        between, last = b"", ""
        query = Scope(library.organization_id).select(LibraryDocument).order_by(LibraryDocument.file_id)
        query = query.where(LibraryDocument.library_id == library.id).limit(_AT_ONCE)
        while True:
            async with self._database.reading() as session:
                rows = list(await session.scalars(query.where(LibraryDocument.file_id > last)))
            for row in rows:
                last = row.file_id
                yield between + _described(row)
                between = b",\n"
            if len(rows) < _AT_ONCE:
                yield b"\n]}\n"
                return

    async def _lines(self, person: Person, rows: list[LibraryDocument]) -> AsyncIterator[bytes]:
        """The documents that the person added, to whichever library."""
        while rows:
            yield b"".join(_described(row) + b"\n" for row in rows)
            rows = await self._added_after(person, (rows[-1].library_id, rows[-1].file_id))

    async def _added_after(self, person: Person, last: tuple[str, str]) -> list[LibraryDocument]:
        place = tuple_(LibraryDocument.library_id, LibraryDocument.file_id)
        scope = person.scope
        query = scope.select(LibraryDocument).where(place > last)
        query = query.order_by(LibraryDocument.library_id, LibraryDocument.file_id).limit(_AT_ONCE)
        async with self._database.reading() as session:
            return list(await session.scalars(query))


def _described(document: LibraryDocument) -> bytes:
    described = {name: getattr(document, name) for name in _DOCUMENT_COLUMNS}
    return msgspec.json.encode(described | {"attributes": msgspec.Raw(document.attributes.encode())})
