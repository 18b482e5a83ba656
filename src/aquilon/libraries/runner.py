"""Reads the documents of libraries in the background: claims them with a lease, a few at once."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import structlog
from sqlalchemy.exc import DBAPIError

from aquilon.extraction import extract
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.waiting import until_any
from aquilon.libraries.embedding import Embedder
from aquilon.libraries.reading import LeaseLost, Reader, Reading
from aquilon.libraries.store import documents as stored
from aquilon.libraries.tables import LibraryDocument
from aquilon.people.secrets import new_id
from aquilon.storage import Database

LEASE_SECONDS = 30
"""Another process takes over a dead process's document after this long; at once where only one process can run."""
_MOST_AT_ONCE = 2
_LOOK_SECONDS = 5.0
"""How often the queue is looked at unasked: for what other processes added, or left."""
_RETRY_SECONDS = 5.0

log = structlog.get_logger("aquilon.libraries")


class LibraryRunner:
    """Reads documents until it is stopped. Several processes may each have a runner on one database."""

    def __init__(
        self,
        database: Database,
        *,
        disk: FilesOnDisk,
        embedder: Embedder,
        new_work: asyncio.Event,
        reader: Reader = extract,
    ) -> None:
        """``new_work`` is set when a document was added, so that the runner looks at once."""
        self._database = database
        self._disk = disk
        self._embedder = embedder
        self._reader = reader
        self._new_work = new_work
        self._owner = new_id("process")
        self._running: dict[tuple[str, str], tuple[LibraryDocument, asyncio.Task[None]]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        first = True
        try:
            while not stop.is_set():
                self._new_work.clear()
                try:
                    await self._look(others_too=first and not self._database.is_shared)
                    first = False
                except (DBAPIError, OSError) as error:
                    log.warning("Documents to read can't be looked for now", error=str(error))
                await until_any(stop, self._new_work, seconds=_LOOK_SECONDS)
        finally:
            await self._end()

    async def _look(self, *, others_too: bool) -> None:
        """Renew this process's leases, notice what was cancelled or deleted, and claim free documents."""
        now = int(time.time())
        if self._running:
            async with self._database.writing() as session:
                ours = await stored.renew(session, self._owner, now + LEASE_SECONDS)
            for key, (_, task) in self._running.items():
                if key not in ours:
                    task.cancel()
        room = _MOST_AT_ONCE - len(self._running)
        if room <= 0:
            return
        async with self._database.reading() as session:
            if not await stored.any_waiting(session):
                return
        async with self._database.writing() as session:
            claimed = await stored.claim(
                session,
                self._owner,
                now=now,
                until=now + LEASE_SECONDS,
                others_too=others_too,
                most=room,
                running=[document.organization_id for document, _ in self._running.values()],
            )
        for document in claimed:
            key = document.library_id, document.file_id
            self._running[key] = document, asyncio.create_task(self._work(key, document))

    async def _work(self, key: tuple[str, str], document: LibraryDocument) -> None:
        reading = Reading(
            database=self._database,
            disk=self._disk,
            embedder=self._embedder,
            reader=self._reader,
            owner=self._owner,
            document=document,
        )
        try:
            await reading.run()
        except LeaseLost:
            log.info("A document is read no longer here", library=key[0], file=key[1])
        except (DBAPIError, OSError) as error:
            log.warning("A document can't be read now", library=key[0], file=key[1], error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.shield(self._release(document))
        finally:
            if self._running.get(key, (None, None))[0] is document:
                self._running.pop(key)
            self._new_work.set()

    async def _end(self) -> None:
        """Stop. The process that claims a document next goes on with it."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._release()

    async def _release(self, document: LibraryDocument | None = None) -> None:
        with suppress(DBAPIError, OSError):
            async with self._database.writing() as session:
                await stored.release(session, self._owner, document)
