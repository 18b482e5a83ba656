"""The busiest routes: called directly by their path, without FastAPI's routing and dependency injection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from aquilon.api.authentication import authenticate
from aquilon.api.errors import api_error, error_response
from aquilon.errors import ApiError


class DirectRoute(APIRoute):
    """A POST to one path, whose function takes the request and its caller. `/openapi.json` describes it as usual."""


Endpoint = Callable[..., Any]


def direct_endpoints(routes: Iterable[BaseRoute]) -> dict[str, Endpoint]:
    """By path."""
    direct = (route for route in routes if isinstance(route, DirectRoute))
    return {route.path: route.endpoint for route in direct if "{" not in route.path}


class DirectRoutes:
    """ASGI middleware before the router: answers each POST to a `DirectRoute`'s path and passes everything else on."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        """``endpoints`` by their paths."""
        self._app = app
        self._endpoints = endpoints

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
