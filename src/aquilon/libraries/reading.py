"""Reads one document of a library: its text is cut into passages, and their vectors are computed, a few at a time.

What is written of it stays: after a kill, the next process goes on with the first passage that has no vector.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import msgspec
from sqlalchemy.exc import DBAPIError

from aquilon.errors import ApiError
from aquilon.extraction import Document, Unreadable
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.queue import NO_LEASE, LeaseLost
from aquilon.jobs.store.creators import principal_of
from aquilon.libraries.chunking import Chunk, Sizes, chunks, read_text
from aquilon.libraries.embedding import Embedder
from aquilon.libraries.store import documents as stored
from aquilon.libraries.store import libraries as stored_libraries
from aquilon.libraries.store import passages as stored_passages
from aquilon.libraries.tables import LibraryDocument
from aquilon.libraries.vectors import packed
from aquilon.log import get_logger
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.storage import Database
from aquilon.storage.rows import Row
from aquilon.text.words import words_of

MOST_PASSAGES = 200_000
"""In one library: its vectors are 300 MB in memory while it is searched."""
_ADDED_AT_ONCE = 200
_PROGRESS_SECONDS = 1.0
_EMBEDDED_AT_ONCE = 8
_MOST_WAIT_SECONDS = 60
_TRIES = 100
"""How often a passage's vector is asked for while rates or the process that embeds are at their limit."""

log = get_logger("aquilon.libraries")


class Reader(Protocol):
    """`extraction.extract`, or another reader of files."""

    def __call__(
        self, path: Path, *, name: str, on_progress: Callable[[float], None] | None = None
    ) -> Awaitable[Document]: ...


class Unread(Exception):
    """The document can't be read; ``code`` is one of the extraction's, or ``server_error``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One document, read by the process with the lease ``owner``."""

    database: Database
    disk: FilesOnDisk
    embedder: Embedder
    reader: Reader
    owner: str
    document: LibraryDocument

    async def run(self) -> None:
        """Raises LeaseLost; DBAPIError and OSError if it may succeed later."""
        try:
            principal = await self._principal()
            if self.document.passages == 0:
                await self._cut()
            is_whole = await self._embed(principal)
        except Unread as problem:
            await self._fail(problem.code, problem.message)
        except (LeaseLost, DBAPIError, OSError):
            raise
        except Exception:
            log.exception("A document can't be read", library=self.document.library_id, file=self.document.file_id)
            await self._fail("server_error", "Something went wrong while it was read; the server's log has the reason")
        else:
            await (self._complete() if is_whole else self._give_way())

    def notice(self, status: str) -> None:
        """A document that is cancelled has no lease to renew."""

    async def _give_way(self) -> None:
        """Whoever has had fewer turns is read first; then the next process goes on with this one."""
        await self._note(**NO_LEASE)

    async def _complete(self) -> None:
        await self._end({"status": "completed", "error_code": None, "error": None})

    async def _fail(self, code: str, message: str) -> None:
        await self._end({"status": "failed", "error_code": code, "error": message})

    async def _principal(self) -> Principal:
        async with self.database.reading() as session:
            principal = await principal_of(session, self.document)
        if principal is None:
            raise Unread("server_error", "The key or account that added it can't be used any more: add it again")
        return principal

    async def _cut(self) -> None:
        document = self.document
        path = self.disk.path(document.organization_id, document.file_id)
        try:
            async with self._following() as on_progress:
                content = await self.reader(path, name=document.name, on_progress=on_progress)
        except Unreadable as problem:
            raise Unread(problem.code, problem.message) from problem
        except FileNotFoundError:
            raise Unread("damaged", "The file's content is gone") from None
        sizes = Sizes()
        if document.chunk_characters is not None:
            sizes = Sizes(document.chunk_characters, document.overlap_characters or 0)
        rows = await asyncio.to_thread(lambda: [_row(document, *one) for one in enumerate(chunks(content, sizes))])
        if not rows:
            raise Unread("no_text", "The file has no text")
        async with self.database.writing() as session:
            await stored_passages.delete_of(session, document)  # of a process that was killed
            number = await stored_passages.number_in(session, Scope(document.organization_id), document.library_id)
        if number + len(rows) > MOST_PASSAGES:
            raise Unread(
                "server_error",
                f"The library has {number} passages and this file {len(rows)}: a library may have {MOST_PASSAGES}",
            )
        for some in _portions(rows, _ADDED_AT_ONCE):
            async with self.database.writing() as session:
                await stored_passages.add(session, document, some)
        size = sum(len(row["text"].encode()) for row in rows)
        notes = msgspec.json.encode(content.notes).decode()
        await self._note(pages=content.pages, notes=notes, characters=rows[-1]["end"], bytes=size, passages=len(rows))

    @asynccontextmanager
    async def _following(self) -> AsyncIterator[Callable[[float], None]]:
        """Notes now and then how much of the file is read, as scanned pages take seconds each."""
        percent = self.document.percent_read

        def on_progress(share: float) -> None:
            nonlocal percent
            percent = int(100 * share)

        async def follow() -> None:
            while True:
                await asyncio.sleep(_PROGRESS_SECONDS)
                if percent != self.document.percent_read:
                    await self._note(percent_read=percent)

        following = asyncio.create_task(follow())
        try:
            yield on_progress
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    async def _embed(self, principal: Principal) -> bool:
        """False where the rest is left for another turn."""
        model = await self._model()
        if model is None:  # found by its words alone
            return True
        document, scope = self.document, Scope(self.document.organization_id)
        for turn in count():
            async with self.database.reading() as session:
                passages = await stored_passages.without_vector(session, document, most=_EMBEDDED_AT_ONCE)
                is_turn = turn > 0 and document.embedded % stored.TURN_PASSAGES < _EMBEDDED_AT_ONCE
                if passages and is_turn and await stored.is_waited_for(session, document.embedded):
                    return False
            if not passages:
                break
            texts = [read_text(one.text, heading=one.heading, head=one.head) for one in passages]
            vectors, tokens = await self._vectors(model, texts, principal)
            halves = [packed(vector) for vector in vectors]
            async with self.database.writing() as session:
                ids = [passage.id for passage in passages]
                await stored_passages.set_vectors(session, scope, list(zip(ids, halves, strict=True)))
            document.embedded += len(passages)
            document.tokens += tokens
            document.bytes += sum(map(len, halves))
            await self._note(embedded=document.embedded, tokens=document.tokens, bytes=document.bytes)
        return True

    async def _model(self) -> str | None:
        """The library's model; None if no model embeds. Raises Unread if the library's own is gone."""
        scope = Scope(self.document.organization_id)
        available = await self.embedder.model()
        if available is None:
            return None
        async with self.database.writing() as session:
            model = await stored_libraries.set_embedding_model(session, scope, self.document.library_id, available)
        if model is not None and not await self.embedder.has(model):
            raise Unread("server_error", f"The library's vectors are of the model '{model}', which isn't here any more")
        return model

    async def _vectors(self, model: str, texts: Sequence[str], principal: Principal) -> tuple[Sequence[bytes], int]:
        """Waits while a rate limit or an overload lasts. Raises Unread if the budget or the rights are at an end."""
        for _ in range(_TRIES):
            try:
                return await self.embedder.vectors(model, texts, "passage", principal)
            except ApiError as error:
                wait = error.retry_after
                if error.status not in (429, 503) or wait is None or wait > _MOST_WAIT_SECONDS:
                    raise Unread("server_error", f"Its vectors can't be computed: {error.message}") from error
            await asyncio.sleep(wait)
        raise Unread("server_error", "Its vectors can't be computed: the limits left no room for too long")

    async def _note(self, **values: Any) -> None:
        """Raises LeaseLost."""
        async with self.database.writing() as session:
            if not await stored.QUEUE.change(session, self.document, self.owner, values=values):
                raise LeaseLost
        for name, value in values.items():
            setattr(self.document, name, value)

    async def _end(self, values: dict[str, Any]) -> None:
        """Raises LeaseLost."""
        values |= {"completed_at": int(time.time()), **NO_LEASE}
        async with self.database.writing() as session:
            if not await stored.QUEUE.change(session, self.document, self.owner, values=values):
                raise LeaseLost
            scope = Scope(self.document.organization_id)
            await stored_libraries.touch(session, scope, self.document.library_id, changed=True)


def _row(document: LibraryDocument, number: int, chunk: Chunk) -> dict[str, Any]:
    return {
        "organization_id": document.organization_id,
        "library_id": document.library_id,
        "file_id": document.file_id,
        "number": number,
        "begin": chunk.begin,
        "end": chunk.end,
        "page": chunk.page,
        "heading": chunk.heading,
        "head": chunk.head,
        "text": chunk.text,
        "words": words_of(chunk.read),
        "vector": None,
    }


def _portions(rows: Sequence[Row], most: int) -> Iterator[Sequence[Row]]:
    for begin in range(0, len(rows), most):
        yield rows[begin : begin + most]
