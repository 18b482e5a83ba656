"""The user of a request to Ollama's API: as everywhere, or without a key where ``ollama_open`` allows it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from aquilon.api.authentication import admitted, authenticate, brings_no_credentials
from aquilon.api.services import services
from aquilon.people.identity import Principal
from aquilon.people.keyless import keyless_principal
from aquilon.people.origin import comes_from_loopback

_BROWSERS_HEADERS = ("origin", "sec-fetch-site")
"""A browser sends one of them with each request of a page, and no page can leave it out."""


async def authenticate_or_open(request: Request) -> Principal:
    """As `authenticate`; with the setting, a program on this machine needs no key. Raises ApiError.

    A web page needs one: a browser on this machine also sends the requests of pages from elsewhere.
    """
    state = services(request)
    if (
        state.settings.ollama_open
        and brings_no_credentials(request)
        and comes_from_loopback(request)
        and not any(name in request.headers for name in _BROWSERS_HEADERS)
    ):
        principal = await keyless_principal(state.database)
        if principal is not None:
            return admitted(request, principal)
    return await authenticate(request)


CallerOrOpen = Annotated[Principal, Depends(authenticate_or_open)]
