"""All routes in one application."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aquilon.api.areas import AREAS, AT_START
from aquilon.api.direct_route import DirectRoutes
from aquilon.api.errors import on_api_error, on_http_exception, on_invalid_parameters, on_unexpected
from aquilon.api.idempotency import Idempotency
from aquilon.api.services import Services
from aquilon.api.websocket import WebSocketRoutes
from aquilon.errors import ApiError
from aquilon.web.boundary import Boundary
from aquilon.web.database_watch import WhileDatabaseIsThere
from aquilon.web.loaded_routes import LoadAreas, LoadedRoutes
from aquilon.web.methods import Methods, OtherMethods
from aquilon.web.pages import STATIC, Files, page, page_or_file

_NO_TELEMETRY: TelemetryConfig = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
"""FastAPI's telemetry would follow ``OTEL_*`` of the environment. Operators use `Metrics` here."""


class _Application(FastAPI):
    """Puts our middlewares around FastAPI's: a `DirectRoute` is answered without FastAPI's."""

    def __init__(self, services: Services, **options: Any) -> None:
        super().__init__(**options)
        self._services = services
        self.loaded = LoadedRoutes(AT_START, AREAS)
        self.router.routes = self.loaded.routes  # `include_router` would build each of them anew
        self.methods = Methods(self.loaded.routes)

    def build_middleware_stack(self) -> ASGIApp:
        direct = Idempotency(DirectRoutes(super().build_middleware_stack(), self.loaded.direct))
        requests = WebSocketRoutes(OtherMethods(direct, self.methods), self.loaded.websockets)
        present = WhileDatabaseIsThere(LoadAreas(requests, self.loaded), self._services.database)
        return Boundary(present, self._services.settings)


async def _document(app: _Application) -> bytes:
    from aquilon.web.openapi import document

    await app.loaded.load_all()
    return await asyncio.to_thread(document, app)


def create_app(services: Services) -> FastAPI:
    app = _Application(
        services, title="Aquilon", docs_url=None, redoc_url=None, openapi_url=None, telemetry=_NO_TELEMETRY
    )
    app.state.services = services
    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(DBAPIError, on_api_error)
    app.add_exception_handler(RequestValidationError, on_invalid_parameters)
    app.add_exception_handler(Exception, on_unexpected)

    async def on_refused_method(request: Request, error: Exception) -> Response:
        """Names the methods of all routes at a path; Starlette names only those of the first."""
        if isinstance(error, HTTPException) and error.status_code == 405:
            error.headers = {"allow": ", ".join(app.methods.at(request.scope["path"]))}
        return await on_http_exception(request, error)

    app.add_exception_handler(HTTPException, on_refused_method)
    openapi: list[asyncio.Task[bytes]] = []  # takes as long as all else of a start: the first who asks begins it

    @app.api_route("/openapi.json", methods=["GET", "HEAD"], include_in_schema=False)
    async def openapi_document() -> Response:
        if not openapi:
            openapi.append(asyncio.create_task(_document(app)))
        written = await asyncio.shield(openapi[0])
        return Response(written, media_type="application/json", headers={"cache-control": "no-cache"})

    static = Files(STATIC)

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def reference(request: Request) -> Response:
        return page(request, static, "docs.html")

    @app.api_route("/share", methods=["GET", "HEAD"], include_in_schema=False)
    async def shared(request: Request) -> Response:
        shown = page(request, static, "share.html")
        shown.headers["x-robots-tag"] = "noindex, nofollow"
        return shown

    async def front_end(scope: Scope, receive: Receive, send: Send) -> None:
        await page_or_file(Request(scope), static)(scope, receive, send)

    app.router.default = front_end  # for paths that no route matches
    return app
