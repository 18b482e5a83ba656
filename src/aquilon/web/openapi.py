"""``/openapi.json``: all routes, with the bodies that they read and write."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from aquilon import __version__
from aquilon.api.all_routes import ROUTES
from aquilon.api.schemas import components, error_answer
from aquilon.conversations.dialects.dialect import MESSAGES
from aquilon.conversations.dialects.error_bodies import AnthropicErrorBody, ErrorBody, OllamaErrorBody

_OPEN_PATHS = frozenset(
    {
        "/health",
        "/ready",
        "/auth/login",
        "/auth/logout",
        "/auth/invitations",
        "/auth/join",
        "/auth/waiting-list",
        "/auth/methods",
        "/auth/oidc/{provider}/start",
        "/auth/oidc/{provider}/callback",
        "/v1/shares/snapshot",
    }
)

_TAGS = {
    "chat": "Conversations with a model, as OpenAI's and Mistral's clients hold them.",
    "responses": "The same in OpenAI's newer shape.",
    "conversations": "Stored conversations, in OpenAI's and Mistral's shapes.",
    "libraries": "Documents that are searched and cited, as OpenAI's vector stores and as Mistral's libraries.",
    "projects": "Folders of conversations, with instructions for every answer in them.",
    "assistants": "Models with instructions, sampling and libraries under a name; Mistral calls them agents.",
    "feedback": "What people think of answers.",
    "memory": "What models know about the person who asks: off until the person turns it on.",
    "shares": "Links to read-only copies of conversations.",
    "comparisons": "Two models or settings side by side, votes on their answers, and a leaderboard.",
    "prompts": "Requests to a model that are kept under a name, to be sent again.",
    "messages": "The same in Anthropic's shape.",
    "completions": "Text that a model continues, or a gap that it fills.",
    "embeddings": "Texts as vectors, for search and comparison.",
    "moderations": "Judgements of texts and conversations.",
    "models": "The models here, their files, and the names that stand for them.",
    "tokens": "Text to token ids, and back.",
    "ollama": "Ollama's API, for editors, note takers and home automation.",
    "files": "Files that jobs read and write.",
    "batches": "Many requests in one file, answered when there is room.",
    "fine-tuning": "Models trained on an organization's own conversations and preferences.",
    "usage": "What was used, by hour or day.",
    "organization": "The organization's people, workspaces, API keys and audit log.",
    "invitations": "Links by which people join.",
    "limits": "Requests and tokens a minute, and requests at once.",
    "budgets": "What may be spent.",
    "prices": "What tokens cost.",
    "statements": "What a month cost.",
    "session": "Signing in with a browser, and one's own account.",
    "server": "What the operator's organization manages for all others: models, organizations, identity providers.",
    "upstreams": "Servers elsewhere that answer for models here.",
    "operations": "Whether the server is well.",
}
"""In the order in which a newcomer needs them."""

_ERRORS = "The request is refused, or can't be answered; the body says why."


def document(app: FastAPI) -> bytes:
    """OpenAPI 3.1 as JSON."""
    openapi = get_openapi(
        title="Aquilon",
        version=__version__,
        description="The base URL is this server's address, with `/v1` for OpenAI's clients and without it for "
        "Mistral's and Anthropic's.",
        routes=app.routes,
    )
    openapi["tags"] = [{"name": name, "description": description} for name, description in _TAGS.items()]
    openapi.setdefault("components", {}).setdefault("schemas", {}).update(_bodies())
    openapi["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key."}
    }
    for path, operations in openapi["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in _OPEN_PATHS else [{"key": []}]
            if path.startswith(MESSAGES):
                for status in ("4XX", "5XX"):
                    operation["responses"][status] = error_answer(_ERRORS, AnthropicErrorBody)
            if path.startswith("/api/"):
                for status in ("4XX", "5XX"):
                    operation["responses"][status] = error_answer(_ERRORS, OllamaErrorBody)
    return msgspec.json.encode(openapi)


def _bodies() -> dict[str, Any]:
    requests = [type_ for routes in ROUTES for type_ in routes.request_types]
    return components(
        requests,
        [
            *(type_ for routes in ROUTES for type_ in routes.answer_types),
            ErrorBody,
            AnthropicErrorBody,
            OllamaErrorBody,
        ],
    )
