"""``/openapi.json``: all routes, with the bodies that they read and write."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from aquilon import __version__
from aquilon.api.errors import ErrorBody
from aquilon.api.schemas import components
from aquilon.web.routes import ROUTES

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
    openapi = get_openapi(
        title="Aquilon",
        version=__version__,
        description="The base URL is this server's address, with `/v1` for OpenAI's clients and without it for "
        "Mistral's.",
        routes=app.routes,
    )
    openapi.setdefault("components", {}).setdefault("schemas", {}).update(_bodies())
    openapi["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key."}
    }
    for path, operations in openapi["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in _OPEN_PATHS else [{"key": []}]
    return msgspec.json.encode(openapi)


def _bodies() -> dict[str, Any]:
    requests = [type_ for routes in ROUTES for type_ in routes.request_types]
    return components(requests, [*(type_ for routes in ROUTES for type_ in routes.answer_types), ErrorBody])
