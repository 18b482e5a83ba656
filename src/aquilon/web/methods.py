"""HEAD for every path that has GET, and OPTIONS for every path (RFC 9110, 9.3.2 and 9.3.7)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from aquilon.api.downloads import ASKED_BY_HEAD
from aquilon.api.errors import error_response
from aquilon.errors import not_found
from aquilon.web.pages import API_PATHS


class Methods:
    """The methods that a path has by the routes that are loaded."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    def of_routes(self, path: str) -> set[str]:
        return {
            method
            for route in self._routes
            if isinstance(route, Route) and route.path_regex.match(path) is not None
            for method in route.methods or ()
        }

    def at(self, path: str) -> list[str]:
        """In alphabetical order; none for an unknown path of the API. Any other path is a page or a file: GET."""
        methods = self.of_routes(path)
        if not methods and not path.startswith(tuple(f"/{name}" for name in API_PATHS)):
            methods = {"GET"}
        if "GET" in methods:
            methods |= {"HEAD"}
        return sorted(methods | {"OPTIONS"}) if methods else []


class OtherMethods:
    """ASGI middleware before the router: answers OPTIONS, and routes HEAD as GET."""

    def __init__(self, app: ASGIApp, methods: Methods) -> None:
        self._app = app
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await self._options(scope["path"])(scope, receive, send)
        elif "GET" in self._methods.of_routes(scope["path"]):
            # uvicorn drops the body of an answer to a HEAD; `Download` doesn't even read the file.
            await self._app({**scope, "method": "GET", ASKED_BY_HEAD: True}, receive, send)
        else:
            await self._app(scope, receive, send)

    def _options(self, path: str) -> Response:
        methods = self._methods.at(path)
        if not methods:
            return error_response(not_found(f"There is nothing at {path[:200]}", code="unknown_path"))
        return Response(status_code=204, headers={"allow": ", ".join(methods)})
