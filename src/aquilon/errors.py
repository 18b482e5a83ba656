"""Why a request gets no answer, in words and numbers that both kinds of client understand."""

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
    """Answered as it is: ``status`` is HTTP's, ``param`` the field at fault, ``code`` for programs to branch on."""

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
        """One entry a field at fault, for 422: ``loc``, ``msg`` and ``type``."""
        self.headers = dict(headers or {})
        """More headers of the answer, with lower-case names."""


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    return ApiError(400, "invalid_request_error", message, param=param, code=code)


def unsupported(what: str, *, param: str) -> ApiError:
    return invalid(f"{what} not supported yet by this server", param=param, code="unsupported")


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
