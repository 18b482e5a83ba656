"""Who reads a stream, looked at again while they read: whoever loses the right to it reads no further."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import DBAPIError
from starlette.requests import Request

from aquilon.api.authentication import authenticate
from aquilon.api.services import services
from aquilon.conversations.runs import Runs
from aquilon.errors import ApiError
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.storage.changes import Moment

LOOK_SECONDS = 1.0

Right = Callable[[Principal], Awaitable[object]]
"""Raises ApiError for a caller who may not read what a stream tells."""


class Reader:
    """The caller of a request, whose rights may end before its answer does.

    A look is a comparison in memory. Only after something changed about people, keys or sessions does it ask who the
    caller is now, and only where that is not what it was, whether they still have the right.
    """

    def __init__(self, request: Request, right: Right) -> None:
        """The request is authenticated."""
        self._request = request
        self._principal: Principal = request.state.principal
        self._right = right
        self._seen: Moment | None = None
        """When the caller was looked up last."""

    async def refusal(self) -> ApiError:
        """Returns once the caller may read no further, with the reason."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._is_current():
                continue
            moment = services(self._request).database.changes.now()
            try:
                principal = await authenticate(self._request)
                if principal != self._principal:
                    await self._right(principal)
            except ApiError as error:
                return error
            except DBAPIError:  # it is away: the next look asks again
                continue
            self._principal, self._seen = principal, moment

    def _is_current(self) -> bool:
        expires_at = self._principal.expires_at
        if self._seen is None or (expires_at is not None and expires_at <= time.time()):
            return False
        return services(self._request).database.changes.none_since(self._seen, unheard=LOOK_SECONDS)


async def may_ask_models(principal: Principal) -> None:
    """The right to an answer that isn't stored."""
    require(principal, "generate", principal.workspace_role)


def may_see(runs: Runs, run_id: str) -> Right:
    """The right to a stored answer."""
    return lambda principal: runs.required(principal, run_id, kind="response")
