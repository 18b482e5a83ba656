"""The error that answers a request, in the fields that OpenAI's and Mistral's clients understand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

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

LimitKind = Literal[
    "requests_per_minute",
    "tokens_per_minute",
    "parallel_requests",
    "budget",
    "quota_messages",
    "quota_tokens",
    "quota_cost",
    "context_tokens",
    "batch_jobs",
    "fine_tuning_jobs",
    "idempotency_keys",
]


class LimitReached(msgspec.Struct, frozen=True):
    """The limit that refused a request, in numbers: no program has to read them out of the message.

    ``limit``, ``remaining`` and ``needed`` are what the kind counts; those of ``budget`` and ``quota_cost`` are
    millionths of a cent.
    """

    kind: LimitKind
    limit: int
    remaining: int | None = None
    needed: int | None = None
    """What this request asks for, or at least."""
    at_least: Literal[True] | msgspec.UnsetType = msgspec.UNSET
    """``needed`` is a lower bound: a request that is far too large is not counted to its end."""
    scope: Literal["organization", "workspace", "key", "person"] | None = None
    """Whose limit it is; None where it is the server's own."""
    model: str | None = None
    """The model that it is for; None for all together."""
    reset_in: int | None = None
    """Seconds until there is room again, as far as is known: the clocks of server and client may differ."""


Values = Mapping[str, str | int | float]
"""The numbers and names in an error's message, for those who say it in another language."""


class Refusal(ValueError):
    """A value breaks a rule. The message says it in English, ``code`` and ``values`` to those who have other words.

    ``param`` names the field where several are checked together.
    """

    def __init__(self, message: str, *, code: str, values: Values | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.values = dict(values or {})


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
        limit: LimitReached | None = None,
        detail: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        values: Values | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type: ErrorType = type
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after
        """Seconds, sent as ``Retry-After``."""
        self.limit = limit
        self.detail = detail
        """With status 422: an entry for each wrong field, with ``loc``, ``msg`` and ``type``."""
        self.headers = dict(headers or {})
        """Further headers of the answer, with lower-case names."""
        self.values = dict(values or {})
        """What the message has numbers and names of: with ``code``, pages say it in their reader's language."""


def invalid(
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    limit: LimitReached | None = None,
    values: Values | None = None,
) -> ApiError:
    return ApiError(400, "invalid_request_error", message, param=param, code=code, limit=limit, values=values)


def refused(error: ValueError, *, param: str | None = None, code: str | None = None) -> ApiError:
    """Status 400 for a value that breaks a rule; ``code`` is for a rule that has none."""
    if not isinstance(error, Refusal):
        return invalid(str(error), param=param, code=code)
    return invalid(str(error), param=error.param or param, code=error.code, values=error.values)


def unsupported(subject_and_verb: str, *, param: str) -> ApiError:
    """``subject_and_verb``: such as "Tools of type 'x' are"."""
    return invalid(f"{subject_and_verb} not supported yet by this server", param=param, code="unsupported")


def unauthenticated(message: str, *, code: str) -> ApiError:
    return ApiError(401, "authentication_error", message, code=code)


def forbidden(message: str, *, code: str, values: Values | None = None) -> ApiError:
    return ApiError(403, "permission_error", message, code=code, values=values)


def not_found(
    message: str, *, param: str | None = None, code: str | None = None, values: Values | None = None
) -> ApiError:
    return ApiError(404, "not_found_error", message, param=param, code=code, values=values)


def overloaded(message: str, *, retry_after: int, code: str = "overloaded", values: Values | None = None) -> ApiError:
    return ApiError(503, "overloaded", message, code=code, retry_after=retry_after, values=values)


def server_stopping() -> ApiError:
    """For what a stopping server doesn't finish: the one that is started next can be asked again."""
    return overloaded("The server is stopping", retry_after=5, code="server_stopping")


def server_error(message: str, *, code: str | None = None, values: Values | None = None) -> ApiError:
    return ApiError(500, "server_error", message, code=code, values=values)
