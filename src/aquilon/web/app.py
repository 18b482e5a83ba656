"""All routes in one application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aquilon.api.direct_route import DirectRoutes
from aquilon.api.errors import on_api_error, on_http_exception, on_invalid_parameters
from aquilon.api.idempotency import Idempotency
from aquilon.api.services import Services
from aquilon.catalogue.administration.server_models import ServerModels
from aquilon.catalogue.catalogue import Catalogue, LocalModel
from aquilon.catalogue.pulls import Pulls
from aquilon.embeddings import EmbeddingPipeline
from aquilon.embeddings.local import EmbeddingModel, LocalEmbeddings
from aquilon.embeddings.upstream import UpstreamEmbeddings
from aquilon.engine.client import Engine
from aquilon.errors import ApiError
from aquilon.generation.local import LocalModels
from aquilon.generation.metrics import Metrics
from aquilon.generation.moderation import Moderation
from aquilon.generation.pipeline import Pipeline
from aquilon.generation.upstream import UpstreamModels
from aquilon.jobs.batches import Batches
from aquilon.jobs.endpoints import ENDPOINTS
from aquilon.jobs.files import Files as UploadedFiles
from aquilon.jobs.runner import job_runner
from aquilon.money.admission import Admission
from aquilon.money.settlement import Settlement
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.key_holders import KeyHolders
from aquilon.people.openid import OpenIdProviders
from aquilon.people.password_hashes import Passwords
from aquilon.people.session_holders import SessionHolders
from aquilon.people.sign_in import SignIn
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.upstreams.registry import UpstreamModel, UpstreamRegistry
from aquilon.web.boundary import Boundary
from aquilon.web.openapi import document
from aquilon.web.pages import STATIC, Files, page, page_or_file
from aquilon.web.rooms import ROOMS

_NO_TELEMETRY: TelemetryConfig = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
"""FastAPI's own, which would follow ``OTEL_*`` of the environment: `Metrics` is what operators have here."""


class _Application(FastAPI):
    """Our middlewares stand before FastAPI's own: an answer of a `DirectRoute` passes ours alone."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings

    def build_middleware_stack(self) -> ASGIApp:
        routes = [route for room in ROOMS for route in room.router.routes]
        return Boundary(Idempotency(DirectRoutes(super().build_middleware_stack(), routes)), self._settings)


def create_app(
    settings: Settings,
    *,
    engine: Engine,
    catalogue: Catalogue,
    database: Database,
    startup_models: Sequence[str] = (),
) -> FastAPI:
    """The application; ``startup_models`` are those that ``/ready`` waits for."""
    app = _Application(
        settings, title="Aquilon", docs_url=None, redoc_url=None, openapi_url=None, telemetry=_NO_TELEMETRY
    )
    metrics = Metrics(engine)
    admission = Admission(database, settings.redis_url)
    usage_writer = UsageWriter(database, admission.shared)
    settlement = Settlement(admission, usage_writer)
    local_models = LocalModels(engine, catalogue, metrics, max_waiting=settings.max_waiting)
    sealer = Sealer.of(settings)
    registry = UpstreamRegistry(database, sealer)
    catalogue.include(registry)
    metrics.watch(registry)
    upstream_models = UpstreamModels(registry, metrics)
    local_embeddings = LocalEmbeddings()
    catalogue.include(local_embeddings)
    moderation = Moderation(settings, registry)
    passwords = Passwords()
    uploads = UploadedFiles(database, settings)
    all_jobs = Batches(database, uploads, settings)
    runner = job_runner(
        app,
        database,
        settings,
        files=uploads,
        usage_writer=usage_writer,
        metrics=metrics.jobs,
        unfinished=lambda: local_models.unfinished,
    )
    all_jobs.wake = runner.wake
    app.state.services = Services(
        settings=settings,
        engine=engine,
        catalogue=catalogue,
        database=database,
        metrics=metrics,
        admission=admission,
        usage_writer=usage_writer,
        pipeline=Pipeline(
            catalogue,
            settlement,
            {LocalModel: local_models, UpstreamModel: upstream_models},
            moderation,
            registry.fallbacks,
        ),
        local_models=local_models,
        upstream_models=upstream_models,
        upstreams=registry,
        server_models=ServerModels(engine, catalogue, database),
        pulls=Pulls(None if catalogue.store is None else catalogue.store.folder, settings.home / "pulls.json"),
        embeddings=EmbeddingPipeline(
            catalogue,
            settlement,
            {EmbeddingModel: local_embeddings, UpstreamModel: UpstreamEmbeddings(registry, metrics)},
            registry.fallbacks,
        ),
        local_embeddings=local_embeddings,
        moderation=moderation,
        key_holders=KeyHolders(database),
        session_holders=SessionHolders(database),
        passwords=passwords,
        sign_in=SignIn(database, passwords),
        openid=OpenIdProviders(),
        sealer=sealer,
        files=uploads,
        batches=all_jobs,
        job_runner=runner,
        startup_models=tuple(startup_models),
    )
    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(DBAPIError, on_api_error)
    app.add_exception_handler(RequestValidationError, on_invalid_parameters)
    app.add_exception_handler(HTTPException, on_http_exception)
    for room in ROOMS:
        app.include_router(room.router)
        all_jobs.endpoints |= {getattr(route, "path", "") for route in room.router.routes} & ENDPOINTS
    openapi = document(app)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_document() -> Response:
        return Response(openapi, media_type="application/json", headers={"cache-control": "no-cache"})

    static = Files(STATIC)

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def reference(request: Request) -> Response:
        return page(request, static, "docs.html")

    async def front_end(scope: Scope, receive: Receive, send: Send) -> None:
        await page_or_file(Request(scope), static)(scope, receive, send)

    app.router.default = front_end  # where no route's path matches
    return app
