"""Refuses requests while the database's file is removed or replaced: writes would be lost and reads wrong."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from aquilon.api.errors import error_response
from aquilon.errors import overloaded
from aquilon.log import get_logger
from aquilon.storage import Database
from aquilon.web.boundary import PROBES

_EVERY_SECONDS = 1.0

log = get_logger("aquilon.storage")


class WhileDatabaseIsThere:
    """ASGI middleware: answers 503 to all but the operator's probes while `Database.problem` names a problem."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope["path"] not in PROBES and self._database.problem():
            refused = overloaded(
                "The database is gone, so no request can be answered; the server's log has the reason", retry_after=5
            )
            await error_response(refused)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def watch(database: Database) -> None:
    """Log when the database's file is gone and when it is back; restore a lost marker of changes. Runs for ever."""
    logged = ""
    while True:
        problem = database.problem()
        if problem and problem != logged:
            log.error("Nothing is answered any more", reason=problem)
        elif logged and not problem:
            log.warning("The database is there again: requests are answered")
        logged = problem
        if not problem:
            with suppress(OSError):  # such as a full disk: the next second tries again
                database.changes.find_marker_again()
        await asyncio.sleep(_EVERY_SECONDS)
