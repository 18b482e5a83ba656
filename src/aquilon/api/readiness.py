"""Whether a running server can answer: room on the disk, a writable database, models in the store."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from aquilon.catalogue.card import LocalModel
from aquilon.catalogue.catalogue import Catalogue
from aquilon.errors import ApiError
from aquilon.settings import Settings
from aquilon.storage import Database

FRESH_SECONDS = 2.0
"""A result is reused for this long, however often it is asked for."""
_WAIT_SECONDS = 3.0
"""The longest wait for a database that is locked or doesn't answer."""
_PROBE_BYTES = 64 * 1024
"""With less room than this the disk counts as full: SQLite's log grows by more at once."""


class Readiness:
    def __init__(
        self, settings: Settings, *, database: Database, catalogue: Catalogue, startup_models: Sequence[LocalModel]
    ) -> None:
        self._folders = sorted({settings.home, settings.uploads_folder})
        self._database = database
        self._catalogue = catalogue
        self._startup_models = startup_models
        self._file = None if database.is_shared or database.name == ":memory:" else Path(database.name)
        self._checked_at = -FRESH_SECONDS
        self._problem = ""
        self._turn = asyncio.Lock()

    async def problem(self) -> str:
        """The reason why requests can't be answered now, for an operator; empty if they can."""
        async with self._turn:
            if time.monotonic() - self._checked_at >= FRESH_SECONDS:
                self._problem = await self._check()
                self._checked_at = time.monotonic()
            return self._problem

    async def _check(self) -> str:
        return (
            await asyncio.to_thread(self._disk_problem)
            or await self._database_problem()
            or await asyncio.to_thread(self._models_problem)
        )

    def _disk_problem(self) -> str:
        for folder in self._folders:
            if not folder.is_dir():
                if folder == self._folders[0]:
                    return f"The folder {folder} is gone"
                continue  # the uploads' folder, which the first upload creates
            probe = folder / f".room-{os.getpid()}"
            try:
                try:
                    probe.write_bytes(bytes(_PROBE_BYTES))
                finally:
                    probe.unlink(missing_ok=True)
            except OSError as error:
                return f"Nothing can be written to {folder}: {error.strerror or error}"
        return ""

    async def _database_problem(self) -> str:
        if self._file is not None:
            return await asyncio.to_thread(self._sqlite_problem, self._file)
        if not self._database.is_shared:
            return ""
        try:
            async with asyncio.timeout(_WAIT_SECONDS), self._database.reading() as session:
                setting = text("SELECT current_setting('transaction_read_only')")
                reads_only = (await session.execute(setting)).scalar_one() == "on"
        except TimeoutError:
            return f"The database doesn't answer within {_WAIT_SECONDS:g} seconds"
        except (DBAPIError, OSError) as error:
            return f"The database can't be used: {error.orig if isinstance(error, DBAPIError) else error}"
        return "The database is a standby: it can be read but not written" if reads_only else ""

    def _sqlite_problem(self, file: Path) -> str:
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=_WAIT_SECONDS)) as connection:
                connection.isolation_level = None
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            return f"The database {file} can't be written: {error}"
        return ""

    def _models_problem(self) -> str:
        for name in (card.name for card in self._startup_models):
            try:
                self._catalogue.named(name)
            except ApiError:
                return f"The model '{name}' is gone from the store: pull it again, or start without it"
        return ""
