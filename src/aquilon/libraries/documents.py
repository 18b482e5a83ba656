"""Documents of libraries: files are added, read in the background, shown with their text, taken out."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, invalid, not_found
from aquilon.extraction import Note
from aquilon.jobs.files import Files
from aquilon.jobs.tables import StoredFile
from aquilon.libraries.chunking import CHARACTERS_A_TOKEN, Sizes
from aquilon.libraries.filters import Attribute
from aquilon.libraries.libraries import require_change, require_unexpired, required
from aquilon.libraries.store import documents as stored
from aquilon.libraries.store import libraries as stored_libraries
from aquilon.libraries.store import passages as stored_passages
from aquilon.libraries.store.documents import DocumentFilter, Row
from aquilon.libraries.store.libraries import Counts
from aquilon.libraries.tables import LibraryBatch, LibraryDocument, Passage
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.storage import Database

MOST_ATTRIBUTES = 16
MOST_KEY = 64
MOST_VALUE = 512
MOST_DOCUMENTS = 10_000
"""In one library."""
MOST_AT_ONCE = 2000
_AROUND_CHARACTERS = 1500
"""Before and after a passage that is shown."""

LEAST_TOKENS, MOST_TOKENS = 100, 4096
"""Of a passage, in a chunking strategy."""


_PASSAGE_ID = re.compile(r"psg_([0-9]{1,18})")


@dataclass(frozen=True, kw_only=True)
class NewDocument:
    file_id: str
    attributes: Mapping[str, Attribute]
    sizes: Sizes | None = None
    """None for the library's own."""


@dataclass(frozen=True)
class Place:
    """A passage with the text around it."""

    passage: Passage
    document: LibraryDocument
    text: str
    begin: int
    """Where ``text`` begins in the document's text."""


class Documents:
    """Methods with a principal raise ApiError: 403 without the right, 404 for what the caller can't see."""

    def __init__(
        self, database: Database, files: Files, *, new_work: asyncio.Event, on_deletion: Callable[[], None]
    ) -> None:
        """``new_work`` is set when a document is to be read; ``on_deletion`` as in `Libraries`."""
        self._database = database
        self._files = files
        self._new_work = new_work
        self._on_deletion = on_deletion

    async def add(self, principal: Principal, library_id: str, new: NewDocument, *, uploaded: bool = False) -> Row:
        """Add a file, which is then read; one that is in the library already is read again.

        ``uploaded``: the file was uploaded into the library, and is deleted with the document.
        """
        await self._add(principal, library_id, [new], batch_id=None, uploaded=uploaded)
        return await self.get(principal, library_id, new.file_id)

    async def add_batch(self, principal: Principal, library_id: str, new: Sequence[NewDocument]) -> LibraryBatch:
        """Add files together. Raises ApiError 400 for too many, or none."""
        if not 1 <= len(new) <= MOST_AT_ONCE:
            raise invalid(
                f"The batch has {len(new)} files; it must have 1 to {MOST_AT_ONCE}",
                param="file_ids",
                code="out_of_range",
                values={"value": len(new), "least": 1, "most": MOST_AT_ONCE},
            )
        batch = LibraryBatch(
            id=new_id("vsfb"),
            organization_id=principal.organization_id,
            library_id=library_id,
            cancelled=False,
            created_at=int(time.time()),
        )
        await self._add(principal, library_id, new, batch_id=batch.id, batch=batch)
        return batch

    async def _add(
        self,
        principal: Principal,
        library_id: str,
        new: Sequence[NewDocument],
        *,
        batch_id: str | None,
        batch: LibraryBatch | None = None,
        uploaded: bool = False,
    ) -> None:
        require_change(principal)
        by_id = {document.file_id: document for document in new}
        async with self._database.reading() as session:
            require_unexpired(await required(session, principal, library_id))
        files = [await self._files.get(principal, file_id) for file_id in by_id]
        scope = Scope.of_organization(principal)
        try:
            async with self._database.writing(alone=True) as session:
                library = await required(session, principal, library_id)
                known = await stored.known(session, scope, library_id, list(by_id))
                number = await stored.count(session, scope, library_id, DocumentFilter())
                if number + len(by_id) - len(known) > MOST_DOCUMENTS:
                    raise invalid(
                        f"The library has {number} documents; it may have {MOST_DOCUMENTS}",
                        code="library_full",
                        values={"most": MOST_DOCUMENTS},
                    )
                if batch is not None:
                    session.add(batch)
                for file in files:
                    document, belongs = by_id[file.id], uploaded
                    if file.id in known:
                        former = await stored.by_id(session, scope, library_id, file.id)
                        assert former is not None
                        belongs = former[0].uploaded
                        await stored.delete(session, former[0])
                        session.expunge(former[0])
                    sizes = document.sizes or _own_sizes(library.chunk_size)
                    session.add(
                        _new_row(
                            principal, library_id, file, document, sizes=sizes, batch_id=batch_id, uploaded=belongs
                        )
                    )
                await session.flush()
                await stored_libraries.touch(session, scope, library_id, changed=bool(known))
        except IntegrityError:
            raise not_found("A file was deleted meanwhile", param="file_id", code="file_not_found") from None
        self._new_work.set()

    async def get(self, principal: Principal, library_id: str, file_id: str) -> Row:
        async with self._database.reading() as session:
            return await self._document(session, principal, library_id, file_id)

    async def page(
        self,
        principal: Principal,
        library_id: str,
        criteria: DocumentFilter,
        *,
        after: str | None = None,
        before: str | None = None,
        oldest_first: bool = False,
        offset: int = 0,
        limit: int,
    ) -> tuple[list[Row], bool]:
        """A page of the documents, and whether there are more: see `page_between`.

        Below one that is gone the list begins anew, so that a client may remove each one that a page names.
        """
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            await required(session, principal, library_id)
            last = None if after is None else await stored.by_id(session, scope, library_id, after)
            first = None if before is None else await self._document(session, principal, library_id, before)
            return await stored.page(
                session,
                scope,
                library_id,
                criteria,
                after=None if last is None else last[0],
                before=None if first is None else first[0],
                oldest_first=oldest_first,
                offset=offset,
                limit=limit,
            )

    async def count(self, principal: Principal, library_id: str, criteria: DocumentFilter) -> int:
        async with self._database.reading() as session:
            await required(session, principal, library_id)
            return await stored.count(session, Scope.of_organization(principal), library_id, criteria)

    async def batch(self, principal: Principal, library_id: str, batch_id: str) -> tuple[LibraryBatch, Counts]:
        async with self._database.reading() as session:
            return await self._batch(session, principal, library_id, batch_id)

    async def cancel(self, principal: Principal, library_id: str, batch_id: str) -> tuple[LibraryBatch, Counts]:
        """Don't read what is still to be read of a batch. One that is read already stays as it is."""
        require_change(principal)
        scope = Scope.of_organization(principal)
        async with self._database.writing() as session:
            batch, counts = await self._batch(session, principal, library_id, batch_id)
            if not counts.in_progress:
                return batch, counts
            batch.cancelled = True
            await stored.cancel(session, scope, batch_id, now=int(time.time()))
            await session.flush()
            return await self._batch(session, principal, library_id, batch_id)

    async def change(
        self,
        principal: Principal,
        library_id: str,
        file_id: str,
        *,
        name: str | None = None,
        attributes: Mapping[str, Attribute] | None = None,
    ) -> Row:
        """None leaves a field as it is."""
        require_change(principal)
        async with self._database.writing() as session:
            document, _ = await self._document(session, principal, library_id, file_id)
            if name is not None:
                document.name = name
            if attributes is not None:
                document.attributes = msgspec.json.encode(attributes).decode()
            await session.flush()
            await stored_libraries.touch(session, Scope.of_organization(principal), library_id, changed=True)
        return await self.get(principal, library_id, file_id)

    async def read_again(self, principal: Principal, library_id: str, file_id: str) -> None:
        """Read a document anew, as after a better reader was installed."""
        document, _ = await self.get(principal, library_id, file_id)
        sizes = None
        if document.chunk_characters is not None:
            sizes = Sizes(document.chunk_characters, document.overlap_characters or 0)
        again = NewDocument(file_id=file_id, attributes=attributes_of(document), sizes=sizes)
        name = document.name
        await self.add(principal, library_id, again, uploaded=document.uploaded)
        await self.change(principal, library_id, file_id, name=name)

    async def delete(self, principal: Principal, library_id: str, file_id: str) -> None:
        """Take a document out of its library, with its passages; its file stays if it was uploaded elsewhere."""
        require_change(principal)
        async with self._database.writing() as session:
            document, _ = await self._document(session, principal, library_id, file_id)
            await stored.delete(session, document)
            await stored_libraries.touch(session, Scope.of_organization(principal), library_id, changed=True)
        if document.uploaded:
            await self._files.remove(principal.organization_id, file_id)
        self._on_deletion()

    async def text(self, principal: Principal, library_id: str, file_id: str) -> str:
        """A document's text. Raises ApiError 409 until it is read."""
        async with self._database.reading() as session:
            document, _ = await self._document(session, principal, library_id, file_id)
            _require_read(document)
            passages = await stored_passages.in_range(session, document, begin=0, end=document.characters)
        return stored_passages.joined(passages)

    async def place(self, principal: Principal, library_id: str, file_id: str, passage_id: str) -> Place:
        """A passage with the text around it."""
        match = _PASSAGE_ID.fullmatch(passage_id)
        async with self._database.reading() as session:
            document, _ = await self._document(session, principal, library_id, file_id)
            passage = None if match is None else await stored_passages.by_id(session, document, int(match[1]))
            if passage is None:
                raise not_found(
                    f"The document '{file_id}' has no passage '{passage_id[:100]}': it was read anew, or never had it",
                    code="passage_not_found",
                )
            begin, end = max(0, passage.begin - _AROUND_CHARACTERS), passage.end + _AROUND_CHARACTERS
            around = await stored_passages.in_range(session, document, begin=begin, end=end)
        text, first = stored_passages.joined(around), around[0].begin
        begin = max(begin, first)
        return Place(passage, document, text[begin - first : end - first], begin)

    async def _document(
        self, session: AsyncSession, principal: Principal, library_id: str, file_id: str
    ) -> tuple[LibraryDocument, StoredFile]:
        await required(session, principal, library_id)
        row = await stored.by_id(session, Scope.of_organization(principal), library_id, file_id)
        if row is None:
            raise not_found(f"The library '{library_id}' has no document '{file_id[:100]}'", code="document_not_found")
        return row

    async def _batch(
        self, session: AsyncSession, principal: Principal, library_id: str, batch_id: str
    ) -> tuple[LibraryBatch, Counts]:
        await required(session, principal, library_id)
        scope = Scope.of_organization(principal)
        batch = await stored_libraries.batch_by_id(session, scope, library_id, batch_id)
        if batch is None:
            raise not_found(f"The library '{library_id}' has no batch '{batch_id[:100]}'", code="batch_not_found")
        return batch, await stored_libraries.counts_of_batch(session, scope, batch)


def public_id(passage: Passage) -> str:
    """The id by which clients know a passage."""
    return f"psg_{passage.id}"


def attributes_of(document: LibraryDocument) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = msgspec.json.decode(document.attributes)
    return attributes


def notes_of(document: LibraryDocument) -> list[Note]:
    notes: list[Note] = msgspec.json.decode(document.notes)
    return notes


def checked_attributes(attributes: Mapping[str, Any] | None, param: str = "attributes") -> dict[str, Attribute]:
    """Raises ApiError 400 for what can't be an attribute."""
    attributes = attributes or {}
    if len(attributes) > MOST_ATTRIBUTES:
        raise invalid(
            f"There are {len(attributes)} attributes; a document may have {MOST_ATTRIBUTES}",
            param=param,
            code="too_many_attributes",
            values={"most": MOST_ATTRIBUTES},
        )
    for key, value in attributes.items():
        if len(key) > MOST_KEY:
            raise invalid(
                f"An attribute's name has {len(key)} characters; it may have {MOST_KEY}",
                param=param,
                code="attribute_name_too_long",
                values={"most": MOST_KEY},
            )
        if not isinstance(value, str | int | float | bool):
            raise invalid(
                f"The attribute '{key}' is neither a text nor a number nor true or false",
                param=param,
                code="attribute_type",
                values={"name": key},
            )
        if isinstance(value, str) and len(value) > MOST_VALUE:
            raise invalid(
                f"The attribute '{key}' has {len(value)} characters; it may have {MOST_VALUE}",
                param=param,
                code="attribute_too_long",
                values={"name": key, "most": MOST_VALUE},
            )
    return dict(attributes)


def sizes_of_tokens(most: int, overlap: int) -> Sizes:
    """The sizes of a static chunking strategy. Raises ApiError 400."""
    if not LEAST_TOKENS <= most <= MOST_TOKENS:
        raise invalid(
            f"max_chunk_size_tokens is {most}; it must be {LEAST_TOKENS} to {MOST_TOKENS}",
            param="chunking_strategy",
            code="out_of_range",
            values={"value": most, "least": LEAST_TOKENS, "most": MOST_TOKENS},
        )
    if not 0 <= overlap <= most // 2:
        raise invalid(
            f"chunk_overlap_tokens is {overlap}; it must be 0 to {most // 2}, half of max_chunk_size_tokens",
            param="chunking_strategy",
            code="out_of_range",
            values={"value": overlap, "least": 0, "most": most // 2},
        )
    return Sizes(most * CHARACTERS_A_TOKEN, overlap * CHARACTERS_A_TOKEN)


def _own_sizes(chunk_size: int | None) -> Sizes | None:
    return None if chunk_size is None else Sizes(chunk_size, chunk_size // 6)


def _require_read(document: LibraryDocument) -> None:
    if document.status != "completed":
        reason = document.error or "it is read in the background; look again in a moment"
        raise ApiError(
            409,
            "invalid_request_error",
            f"The text of the document '{document.file_id}' is not there: {reason}",
            code="document_not_ready",
        )


def _new_row(
    principal: Principal,
    library_id: str,
    file: StoredFile,
    new: NewDocument,
    *,
    sizes: Sizes | None,
    batch_id: str | None,
    uploaded: bool,
) -> LibraryDocument:
    return LibraryDocument(
        library_id=library_id,
        file_id=file.id,
        organization_id=principal.organization_id,
        workspace_id=principal.workspace_id,
        user_id=principal.user_id,
        api_key_id=principal.api_key_id,
        name=file.name,
        uploaded=uploaded,
        attributes=msgspec.json.encode(new.attributes).decode(),
        chunk_characters=None if sizes is None else sizes.most,
        overlap_characters=None if sizes is None else sizes.overlap,
        batch_id=batch_id,
        status="in_progress",
        error_code=None,
        error=None,
        notes="[]",
        pages=None,
        percent_read=0,
        characters=0,
        bytes=0,
        passages=0,
        embedded=0,
        tokens=0,
        created_at=int(time.time()),
        completed_at=None,
        lease_owner=None,
        lease_until=0,
    )
