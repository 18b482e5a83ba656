"""What is asked hundreds of times a second: called straight from its path, past FastAPI's matching and solving."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from aquilon.api.authentication import authenticate
from aquilon.api.errors import api_error, error_response
from aquilon.errors import ApiError


class DirectRoute(APIRoute):
    """A POST to one path, whose function takes the request and its caller; described in the document as any other."""


class DirectRoutes:
    """ASGI middleware before the router, which keeps all that isn't a POST to a `DirectRoute`'s own path."""

    def __init__(self, app: ASGIApp, routes: Iterable[object]) -> None:
        self._app = app
        self._endpoints = {route.path: route.endpoint for route in routes if isinstance(route, DirectRoute)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = await endpoint(request, await authenticate(request))
        except (ApiError, DBAPIError) as error:
            answer = error_response(api_error(error))
        await answer(scope, receive, send)
