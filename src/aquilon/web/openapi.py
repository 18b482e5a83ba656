"""``/openapi.json``: the routes that are there, with the bodies they read and write."""

from __future__ import annotations

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from aquilon import __version__
from aquilon.platform.api import (
    aliases,
    batch_jobs,
    batches,
    budgets,
    embeddings,
    files,
    fim,
    identity_providers,
    invitations,
    limits,
    model_files,
    models,
    moderations,
    oidc,
    organization,
    organization_keys,
    prices,
    responses,
    server_models,
    server_organizations,
    sessions,
    statements,
    unstored,
    upstreams,
)
from aquilon.platform.api.chat_answers import ChatCompletion, ChatCompletionChunk
from aquilon.platform.api.chat_fields import ChatCompletionRequest
from aquilon.platform.api.completion_answers import Completion
from aquilon.platform.api.completion_fields import CompletionRequest
from aquilon.platform.api.errors import ErrorBody
from aquilon.platform.api.operations import Health, Readiness
from aquilon.platform.api.schemas import components
from aquilon.platform.api.tokens import DetokenizeRequest, Text, TokenizeRequest, Tokens
from aquilon.platform.api.usage_report import UsageReport

_REQUESTS: list[type[BaseModel]] = [
    ChatCompletionRequest,
    CompletionRequest,
    *fim.REQUESTS,
    TokenizeRequest,
    DetokenizeRequest,
    *sessions.REQUESTS,
    *oidc.REQUESTS,
    *invitations.REQUESTS,
    *server_organizations.REQUESTS,
    *identity_providers.REQUESTS,
    *organization.REQUESTS,
    *organization_keys.REQUESTS,
    *aliases.REQUESTS,
    *embeddings.REQUESTS,
    *server_models.REQUESTS,
    *batches.REQUESTS,
    *batch_jobs.REQUESTS,
    *budgets.REQUESTS,
    *limits.REQUESTS,
    *prices.REQUESTS,
    *responses.REQUESTS,
    *moderations.REQUESTS,
    *upstreams.REQUESTS,
]
_STRUCTS: list[type[msgspec.Struct]] = [
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    *models.ANSWERS,
    Tokens,
    Text,
    *sessions.ANSWERS,
    UsageReport,
    Health,
    Readiness,
    ErrorBody,
    *oidc.ANSWERS,
    *invitations.ANSWERS,
    *server_organizations.ANSWERS,
    *identity_providers.ANSWERS,
    *organization.ANSWERS,
    *organization_keys.ANSWERS,
    *aliases.ANSWERS,
    *embeddings.ANSWERS,
    *model_files.ANSWERS,
    *server_models.ANSWERS,
    *batches.ANSWERS,
    *batch_jobs.ANSWERS,
    *budgets.ANSWERS,
    *limits.ANSWERS,
    *prices.ANSWERS,
    *statements.ANSWERS,
    *responses.ANSWERS,
    *unstored.ANSWERS,
    *moderations.ANSWERS,
    *files.ANSWERS,
    *upstreams.ANSWERS,
]
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
    found.setdefault("components", {}).setdefault("schemas", {}).update(components(_REQUESTS, _STRUCTS))
    found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "An API key"}}
    for path, operations in found["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in _OPEN_PATHS else [{"key": []}]
    return msgspec.json.encode(found)
