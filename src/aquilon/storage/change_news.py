"""PostgreSQL's notifications of changes by other processes, for `storage.changes`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from aquilon.log import get_logger
from aquilon.storage.changes import Changes

_CHANNEL = "aquilon_identity"
NOTIFY = text(f"SELECT pg_notify('{_CHANNEL}', '')")
"""Runs in the transaction of the change, so that the notification comes with the commit."""
_SQLALCHEMY_ARGUMENTS = ("prepared_statement_", "async_")
_RETRY_SECONDS = 1.0
_ALIVE_SECONDS = 10.0
"""A silently broken connection is noticed within this time."""

log = get_logger("aquilon.storage")


class ChangeNews:
    """One connection that listens. While it is lost, changes aren't heard; then everything counts as changed."""

    def __init__(self, engine: AsyncEngine, changes: Changes) -> None:
        self._engine = engine
        self._changes = changes
        changes.heard = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen_on())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen_on(self) -> None:
        import asyncpg

        while True:
            try:
                await self._listen()
            except (OSError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if self._changes.heard:
                    log.warning("Changes by other processes are not heard of now", error=str(error))
            finally:
                self._changes.heard = False
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        """Listen until the connection ends. Raises what asyncpg raises."""
        import asyncpg

        _, url_arguments = self._engine.dialect.create_connect_args(self._engine.url)
        arguments = {name: value for name, value in url_arguments.items() if not name.startswith(_SQLALCHEMY_ARGUMENTS)}
        ended, heard = asyncio.Event(), asyncio.Event()

        def hear(*_: object) -> None:
            self._changes.note()
            heard.set()

        connection: Any = await asyncpg.connect(**{**arguments, "timeout": _ALIVE_SECONDS})
        try:
            connection.add_termination_listener(lambda _: ended.set())
            await connection.add_listener(_CHANNEL, hear)
            async with self._engine.begin() as sender:
                await sender.execute(NOTIFY)
            async with asyncio.timeout(_ALIVE_SECONDS):
                await heard.wait()  # a pooler may accept a listener and never deliver anything to it
            self._changes.heard = True
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_ALIVE_SECONDS):
                        await ended.wait()
                        continue
                async with asyncio.timeout(_ALIVE_SECONDS):
                    await connection.fetchval("SELECT 1")
        finally:
            connection.terminate()
