"""The dialect that a client speaks. It decides what an error looks like."""

from __future__ import annotations

from typing import Literal

from starlette.datastructures import Headers
from starlette.types import Scope

Dialect = Literal["openai", "mistral", "anthropic", "ollama"]

MESSAGES = "/v1/messages"
"""What the paths of Anthropic's contract begin with, except for the models."""

_MISTRAL_CLIENTS = ("mistral-client-", "speakeasy-sdk/")
"""What the user agents of Mistral's own clients begin with."""
_MISTRAL_PATHS = ("/v1/fim/", "/v1/batch/", "/v1/agents", "/v1/fine_tuning/models/")
_OPENAI_PATHS = (
    "/v1/chat/",
    "/v1/completions",
    "/v1/responses",
    "/v1/conversations",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/files",
    "/v1/batches",
    "/v1/fine_tuning/",
    "/v1/vector_stores",
)


_SPOKEN = "dialect"
"""Key in the state of an ASGI scope."""


def note_dialect(scope: Scope, dialect: Dialect) -> None:
    """Note the dialect that the request's body shows."""
    scope.setdefault("state", {})[_SPOKEN] = dialect


def dialect_of(scope: Scope) -> Dialect:
    """By the path; on paths that several vendors' clients share by the body, see `note_dialect`, or by the headers
    that only one of them sends."""
    spoken: Dialect | None = scope.get("state", {}).get(_SPOKEN)
    if spoken is not None:
        return spoken
    path = scope["path"]
    if path.startswith(MESSAGES):
        return "anthropic"
    if path.startswith("/api/"):
        return "ollama"
    if path.startswith(_MISTRAL_PATHS):
        return "mistral"
    headers = Headers(scope=scope)
    if path.startswith("/v1/models") and "anthropic-version" in headers:
        return "anthropic"
    return "mistral" if headers.get("user-agent", "").startswith(_MISTRAL_CLIENTS) else "openai"


def refuses_fields_with_400(scope: Scope) -> bool:
    """Whether a wrong field is answered with 400, as OpenAI does; Mistral and our own routes answer with 422."""
    dialect = dialect_of(scope)
    return dialect in ("anthropic", "ollama") or (dialect == "openai" and scope["path"].startswith(_OPENAI_PATHS))
