"""``/openapi.json``: the routes that are there, with the bodies they read and write."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from aquilon import __version__
from aquilon.api.errors import ErrorBody
from aquilon.api.schemas import components
from aquilon.web.rooms import ROOMS

_OPEN_PATHS = frozenset(
    {
        "/health",
        "/ready",
        "/auth/login",
        "/auth/logout",
        "/auth/invitations",
        "/auth/join",
        "/auth/methods",
        "/auth/oidc/{provider}/start",
        "/auth/oidc/{provider}/callback",
    }
)


def document(app: FastAPI) -> bytes:
    """OpenAPI 3.1 as JSON."""
    found = get_openapi(
        title="Aquilon",
        version=__version__,
        description="For OpenAI's clients the base URL is this server's address with `/v1`, for Mistral's without.",
        routes=app.routes,
    )
    found.setdefault("components", {}).setdefault("schemas", {}).update(_bodies())
    found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "An API key"}}
    for path, operations in found["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in _OPEN_PATHS else [{"key": []}]
    return msgspec.json.encode(found)


def _bodies() -> dict[str, Any]:
    requests: list[type[BaseModel]] = [body for room in ROOMS for body in getattr(room, "REQUESTS", ())]
    structs: list[type[msgspec.Struct]] = [body for room in ROOMS for body in getattr(room, "ANSWERS", ())]
    return components(requests, [*structs, ErrorBody])
