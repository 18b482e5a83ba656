"""What every path answers besides its own methods: HEAD where GET is, and OPTIONS (RFC 9110, 9.3.2 and 9.3.7)."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from aquilon.api.downloads import ASKED_BY_HEAD
from aquilon.api.errors import error_response
from aquilon.errors import not_found
from aquilon.web.pages import API_PATHS


class Methods:
    """Which methods there are at a path."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = [route for route in routes if isinstance(route, Route)]

    def of_routes(self, path: str) -> set[str]:
        return {
            method
            for route in self._routes
            if route.path_regex.match(path) is not None
            for method in route.methods or ()
        }

    def at(self, path: str) -> list[str]:
        """In alphabetical order; none where the API has nothing. Elsewhere pages and files are read."""
        methods = self.of_routes(path)
        if not methods and not path.startswith(tuple(f"/{name}" for name in API_PATHS)):
            methods = {"GET"}
        if "GET" in methods:
            methods |= {"HEAD"}
        return sorted(methods | {"OPTIONS"}) if methods else []


class OtherMethods:
    """ASGI middleware before the router."""

    def __init__(self, app: ASGIApp, methods: Methods) -> None:
        self._app = app
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await self._options(scope["path"])(scope, receive, send)
        elif "GET" in self._methods.of_routes(scope["path"]):
            # The server sends no body for a HEAD; a file need not even be read.
            await self._app({**scope, "method": "GET", ASKED_BY_HEAD: True}, receive, send)
        else:
            await self._app(scope, receive, send)

    def _options(self, path: str) -> Response:
        methods = self._methods.at(path)
        if not methods:
            return error_response(not_found(f"There is nothing at {path[:200]}", code="unknown_path"))
        return Response(status_code=204, headers={"allow": ", ".join(methods)})
