"""The busiest routes: called directly by their path, without FastAPI's routing and dependency injection."""

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
    """A POST to one path, whose function takes the request and its caller. `/openapi.json` describes it as usual."""


class DirectRoutes:
    """ASGI middleware before the router: answers each POST to a `DirectRoute`'s path and passes everything else on."""

    def __init__(self, app: ASGIApp, routes: Iterable[object]) -> None:
        self._app = app
        direct = (route for route in routes if isinstance(route, DirectRoute))
        self._endpoints = {route.path: route.endpoint for route in direct if "{" not in route.path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await endpoint(request, await authenticate(request))
        except (ApiError, DBAPIError) as error:
            response = error_response(api_error(error))
        await response(scope, receive, send)
