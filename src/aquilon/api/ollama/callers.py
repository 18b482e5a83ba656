"""The user of a request to Ollama's API: as everywhere, or without a key where ``ollama_open`` allows it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from aquilon.api.authentication import admitted, authenticate, brings_no_credentials
from aquilon.api.services import services
from aquilon.people.identity import Principal
from aquilon.people.keyless import keyless_principal
from aquilon.people.origin import comes_from_loopback, require_same_origin


async def authenticate_or_open(request: Request) -> Principal:
    """As `authenticate`; with the setting, a program on this machine needs no key.

    A web page at another origin does: a browser sends its requests from this machine too. Raises ApiError.
    """
    state = services(request)
    if state.settings.ollama_open and brings_no_credentials(request) and comes_from_loopback(request):
        require_same_origin(request, allow_none=True)
        principal = await keyless_principal(state.database)
        if principal is not None:
            return admitted(request, principal)
    return await authenticate(request)


CallerOrOpen = Annotated[Principal, Depends(authenticate_or_open)]
