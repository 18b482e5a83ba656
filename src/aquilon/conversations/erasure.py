"""Removes what was deleted from where SQLite still has it: the indexes of words, the write-ahead log, its pages.

A deleted row is overwritten at once (``secure_delete``). The words of deleted texts stay in
an index until it is written anew without them, in small steps between which answers are
stored; then the log, which has earlier states of pages, is emptied, and the file is
scrubbed (`storage.scrub`). PostgreSQL's own VACUUM does this.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from sqlalchemy.exc import DBAPIError

from aquilon.conversations.store import search
from aquilon.libraries.store import search as passage_search
from aquilon.log import get_logger
from aquilon.storage import Database
from aquilon.storage.word_index import WordIndex

_INDEXES = (search.WORD_INDEX, passage_search.WORD_INDEX)

AFTER_SECONDS = 1.0
"""So long after a deletion it begins, and takes along all deletions until then."""
_PAUSE_SECONDS = 0.02
"""Between two steps, for those who wait for the database."""
_AGAIN_SECONDS = 1.0
_SCRUB_PART = 4
"""A scrub reads the whole file; until the next one, at least this many times as long as it took must pass."""
_WORDS_AT_ONCE = 50
"""Of at most 100,000 characters each."""

log = get_logger("aquilon.erasure")


class Erasure:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._requested = asyncio.Event()
        self._scrubbed_at, self._scrub_seconds = time.monotonic(), 0.0

    def request(self) -> None:
        """Something was deleted."""
        self._requested.set()

    async def keep(self, stop: asyncio.Event) -> None:
        """Erase after each deletion, until ``stop`` is set; the next start goes on with what is left."""
        try:
            await self._begin()
        except (DBAPIError, OSError) as error:
            log.warning("What was deleted before can't be looked up now", error=str(error))
        if not self._database.writes_at_once:
            return
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            requested = asyncio.create_task(self._requested.wait())
            await asyncio.wait({stopping, requested}, return_when=asyncio.FIRST_COMPLETED)
            requested.cancel()
            await _wait(stop, AFTER_SECONDS)
            if not self._requested.is_set():
                return
            self._requested.clear()
            try:
                await self.erase(stop)
            except (DBAPIError, OSError) as error:
                log.warning("What was deleted can't be erased from the database's files now", error=str(error))
                self._requested.set()

    async def erase(self, stop: asyncio.Event) -> None:
        """Remove deleted words from the indexes, empty the log, and scrub the file. Raises DBAPIError, OSError."""
        for index in _INDEXES:
            await self._erase_words(index, stop)
        while not await self._database.empty_log() and not stop.is_set():
            await _wait(stop, _AGAIN_SECONDS)
        await _wait(stop, self._scrubbed_at + _SCRUB_PART * self._scrub_seconds - time.monotonic())
        begun = time.monotonic()
        if stop.is_set() or not await self._scrub(stop):
            return
        self._scrubbed_at = time.monotonic()
        self._scrub_seconds = self._scrubbed_at - begun
        if not self._requested.is_set():
            async with self._database.writing() as session:
                for index in _INDEXES:
                    await index.forget_erased(session)
        await self._database.empty_log()

    async def _begin(self) -> None:
        async with self._database.writing() as session:
            for index in _INDEXES:
                if self._database.is_shared:  # it has no such index; the words are of a SQLite home restored into it
                    await index.forget_deleted(session)
                elif await index.has_deleted(session):
                    self._requested.set()  # a former process ended before it was through

    async def _erase_words(self, index: WordIndex, stop: asyncio.Event) -> None:
        """Remove deleted words from an index, and write it anew without them."""
        while True:
            async with self._database.writing() as session:
                rows = await index.deleted(session, most=_WORDS_AT_ONCE)
                if rows:
                    await index.remove(session, rows)
            if not rows:
                break
        async with self._database.reading() as session:
            unmerged = await index.has_deleted(session)
        first = True
        while unmerged and not stop.is_set():
            async with self._database.writing() as session:
                unmerged = await index.merge(session, first=first)
            first = False
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _scrub(self, stop: asyncio.Event) -> bool:
        """False if ``stop`` came first."""
        scrubbing, stopping = asyncio.create_task(self._database.scrub()), asyncio.create_task(stop.wait())
        await asyncio.wait({scrubbing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if scrubbing.done():
            scrubbing.result()
            return True
        scrubbing.cancel()
        await asyncio.wait({scrubbing})
        return False


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()
