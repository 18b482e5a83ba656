"""What an operator's tools ask: is it up, can it answer, how is it doing."""

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


@routes.get("/health", "The process is up", answer=Health, says="It is")
async def health() -> Response:
    return Response(msgspec.json.encode(Health("ok", __version__)), media_type="application/json")


@routes.get("/ready", "A request would be answered now", answer=Readiness, says="It would")
async def ready(request: Request) -> Response:
    """Status 503 and the reason while the engine starts, restarts, or loads the models named at start-up."""
    found = services(request)
    states = found.engine.states
    reason = ""
    if found.startup_models and not found.engine.ready:
        reason = "The engine process is starting"
    for name in found.startup_models:
        state = states.get(name)
        if state is None and found.started.is_set():
            continue  # unloaded since, by its operator or for another: its next request loads it
        if state is None or state.state == "loading":
            reason = reason or f"The model '{name}' is being loaded"
        elif state.state == "failed":
            reason = f"The model '{name}' can't be loaded: {state.detail}"
    body = Readiness(
        not reason, reason, [ModelReadiness(name, state.state, state.progress) for name, state in states.items()]
    )
    headers = {"retry-after": "1"} if reason else {}
    return Response(msgspec.json.encode(body), 503 if reason else 200, headers, media_type="application/json")


@routes.get(
    "/metrics",
    "Prometheus metrics",
    dependencies=[Depends(authenticate_unless_loopback)],
    responses={200: {"description": "The text exposition format", "content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    return Response(services(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
