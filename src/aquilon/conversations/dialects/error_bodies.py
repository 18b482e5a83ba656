"""Errors as each dialect's clients read them."""

from __future__ import annotations

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aquilon.conversations.dialects.dialect import dialect_of, refuses_fields_with_400
from aquilon.errors import ApiError, LimitReached

REQUEST_ID = "request_id"
"""Key in the state of an ASGI scope; the outermost middleware sets it."""

_ANTHROPIC_TYPES = {
    "not_found_error": "not_found_error",
    "authentication_error": "authentication_error",
    "permission_error": "permission_error",
    "rate_limit_error": "rate_limit_error",
    "budget_exceeded": "billing_error",
    "overloaded": "overloaded_error",
    "server_error": "api_error",
}


class ErrorFields(msgspec.Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str | None
    limit: LimitReached | msgspec.UnsetType = msgspec.UNSET
    values: dict[str, str | int | float] | msgspec.UnsetType = msgspec.UNSET


class FieldError(msgspec.Struct, frozen=True):
    loc: list[str | int]
    msg: str
    type: str
    code: str | msgspec.UnsetType = msgspec.UNSET
    values: dict[str, str | int | float] | msgspec.UnsetType = msgspec.UNSET


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """Flat fields for Mistral's clients; ``error`` repeats them for OpenAI's.

    ``limit`` tells the limit that was reached, if one was; ``detail`` lists the wrong fields, if there are any.
    ``values`` has the numbers and names in ``message``, so that with ``code`` it can be said in another language.
    """

    message: str
    type: str
    param: str | None
    code: str | None
    error: ErrorFields
    object: str = msgspec.field(default_factory=lambda: "error")
    limit: LimitReached | msgspec.UnsetType = msgspec.UNSET
    detail: list[FieldError] | None = None
    values: dict[str, str | int | float] | msgspec.UnsetType = msgspec.UNSET


class AnthropicErrorFields(msgspec.Struct, frozen=True):
    type: str
    message: str


class AnthropicErrorBody(msgspec.Struct, frozen=True):
    error: AnthropicErrorFields
    request_id: str
    type: str = "error"


class OllamaErrorBody(msgspec.Struct, frozen=True):
    error: str


def error_body(error: ApiError) -> bytes:
    """For OpenAI's and Mistral's clients."""
    limit = msgspec.UNSET if error.limit is None else error.limit
    values = error.values or msgspec.UNSET
    fields = ErrorFields(error.message, error.type, error.param, error.code, limit, values)
    detail = None if error.detail is None else msgspec.convert(error.detail, list[FieldError])
    return msgspec.json.encode(
        ErrorBody(
            error.message,
            error.type,
            error.param,
            error.code,
            fields,
            object="error",
            limit=limit,
            detail=detail,
            values=values,
        )
    )


def error_body_for(error: ApiError, scope: Scope) -> bytes:
    """For the client that sent the request with this ASGI ``scope``."""
    match dialect_of(scope):
        case "anthropic":
            fields = AnthropicErrorFields(_anthropic_type(error), error.message)
            return msgspec.json.encode(AnthropicErrorBody(fields, scope.get("state", {}).get(REQUEST_ID, "")))
        case "ollama":
            return msgspec.json.encode(OllamaErrorBody(error.message))
        case _:
            return error_body(error)


def error_frame(error: ApiError, scope: Scope) -> bytes:
    """An error in the middle of a stream: an ``error`` event, or a line of Ollama's."""
    body = error_body_for(error, scope)
    return body + b"\n" if dialect_of(scope) == "ollama" else b"event: error\ndata: " + body + b"\n\n"


class ErrorResponse(Response):
    """Written when it is sent, since only then is the request known."""

    def __init__(self, error: ApiError) -> None:
        headers = dict(error.headers)
        if error.retry_after is not None:
            headers["retry-after"] = str(error.retry_after)
        if error.status == 401:
            headers["www-authenticate"] = "Bearer"
        self._error = error
        super().__init__(None, error.status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = error_body_for(self._error, scope)
        headers = {name: value for name, value in self.headers.items() if name != "content-length"}
        response = Response(body, status_for(self._error, scope), headers, media_type="application/json")
        await response(scope, receive, send)


def status_for(error: ApiError, scope: Scope) -> int:
    """As `error_body_for`."""
    if error.status == 422 and error.detail is not None and refuses_fields_with_400(scope):
        return 400
    if error.status == 503 and dialect_of(scope) == "anthropic":
        return 529  # the status of Anthropic's overloaded_error
    return error.status


def _anthropic_type(error: ApiError) -> str:
    return "request_too_large" if error.status == 413 else _ANTHROPIC_TYPES.get(error.type, "invalid_request_error")
