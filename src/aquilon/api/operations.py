"""Routes for an operator's tools: whether the server is up, whether it can answer, and its metrics."""

from __future__ import annotations

import msgspec
from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from aquilon import __version__
from aquilon.api.authentication import authenticate_unless_loopback
from aquilon.api.routes import Routes
from aquilon.api.services import services

routes = Routes(tag="operations")


class Health(msgspec.Struct, frozen=True):
    status: str
    version: str


class ModelReadiness(msgspec.Struct, frozen=True):
    name: str
    state: str
    progress: float


class Readiness(msgspec.Struct, frozen=True):
    ready: bool
    reason: str
    models: list[ModelReadiness]


@routes.get("/health", "Check that the process is up", answer=Health, says="The process is up.")
async def health() -> Response:
    return Response(msgspec.json.encode(Health("ok", __version__)), media_type="application/json")


@routes.get("/ready", "Check that requests can be answered", answer=Readiness, says="Requests can be answered now.")
async def ready(request: Request) -> Response:
    """The status is 503, with the reason, while the engine starts, restarts, or loads the models named at start-up, and
    while the disk is full, the database is gone or can't be written, or a model's files are gone.
    """
    state = services(request)
    models = state.engine.states
    reason = ""
    if state.startup_models and not state.engine.ready:
        reason = "The engine process is starting"
    for name in (card.name for card in state.startup_models):
        model = models.get(name)
        if model is None and state.started.is_set():
            continue  # an operator unloaded it, or it made room for another model: its next request loads it
        if model is None or model.state == "loading":
            reason = reason or f"The model '{name}' is being loaded"
        elif model.state == "failed":
            reason = f"The model '{name}' can't be loaded: {model.detail}"
    reason = state.database.problem() or reason or await state.readiness.problem()
    body = Readiness(
        not reason, reason, [ModelReadiness(name, model.state, model.progress) for name, model in models.items()]
    )
    headers = {"retry-after": "1"} if reason else {}
    return Response(msgspec.json.encode(body), 503 if reason else 200, headers, media_type="application/json")


@routes.get(
    "/metrics",
    "Read the metrics for Prometheus",
    dependencies=[Depends(authenticate_unless_loopback)],
    responses={
        200: {"description": "The metrics in Prometheus' text exposition format.", "content": {"text/plain": {}}}
    },
)
async def metrics(request: Request) -> Response:
    return Response(services(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
