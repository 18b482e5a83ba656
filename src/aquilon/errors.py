"""The error that answers a request, in the fields that OpenAI's and Mistral's clients understand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
    "budget_exceeded",
    "overloaded",
    "server_error",
]


class ApiError(Exception):
    """Sent to the client: ``status`` is HTTP's, ``param`` names the wrong field, programs branch on ``code``."""

    def __init__(
        self,
        status: int,
        type: ErrorType,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        detail: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type: ErrorType = type
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after
        """Seconds, sent as ``Retry-After``."""
        self.detail = detail
        """With status 422: an entry for each wrong field, with ``loc``, ``msg`` and ``type``."""
        self.headers = dict(headers or {})
        """Further headers of the answer, with lower-case names."""


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    return ApiError(400, "invalid_request_error", message, param=param, code=code)


def unsupported(subject_and_verb: str, *, param: str) -> ApiError:
    """``subject_and_verb``: such as "Tools of type 'x' are"."""
    return invalid(f"{subject_and_verb} not supported yet by this server", param=param, code="unsupported")


def unauthenticated(message: str, *, code: str) -> ApiError:
    return ApiError(401, "authentication_error", message, code=code)


def forbidden(message: str, *, code: str) -> ApiError:
    return ApiError(403, "permission_error", message, code=code)


def not_found(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    return ApiError(404, "not_found_error", message, param=param, code=code)


def overloaded(message: str, *, retry_after: int, code: str = "overloaded") -> ApiError:
    return ApiError(503, "overloaded", message, code=code, retry_after=retry_after)


def server_error(message: str, *, code: str | None = None) -> ApiError:
    return ApiError(500, "server_error", message, code=code)
