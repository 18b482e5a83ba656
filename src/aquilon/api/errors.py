"""Turns exceptions into the errors that clients get."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from aquilon.conversations.dialects.error_bodies import REQUEST_ID, ErrorResponse
from aquilon.errors import ApiError, ErrorType, Refusal, overloaded, server_error
from aquilon.log import get_logger
from aquilon.storage.unwritable import untranslatable, unwritable

log = get_logger("aquilon.api")

T = TypeVar("T")

_TYPES: dict[int, ErrorType] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded",
}
_MOST_DETAILS = 20
_BOUNDS = frozenset(
    {"gt", "ge", "lt", "le", "min_length", "max_length", "multiple_of", "expected", "pattern"}  # never the input
)


def error_response(error: ApiError) -> Response:
    return ErrorResponse(error)


def invalid_fields(error: ValidationError, *, name: str) -> ApiError:
    """Status 422: each wrong field with its error, never with its value. ``name`` stands for the body as a whole."""
    detail = []
    for entry in error.errors(include_url=False, include_input=False)[:_MOST_DETAILS]:
        location = [part for part in entry["loc"] if not _names_a_union_member(part)]
        if entry["type"] == "unknown_field":
            location.append(entry["ctx"]["name"])
        message = entry["msg"].removeprefix("Value error, ")
        detail.append({"loc": ["body", *location], "msg": message, "type": entry["type"], **_in_numbers(entry)})
    fields = [entry["loc"][:2] for entry in detail]
    first = max((entry for entry in detail if entry["loc"][:2] == fields[0]), key=_nearness)
    param = ".".join(str(part) for part in first["loc"][1:])
    message = f"{param or name}: {first['msg']}"
    if others := {str(field) for field in fields} - {str(fields[0])}:
        message += f" (and {len(others)} more)"
    return _wrong_fields(message, first, param=param or None, detail=detail)


def api_error(error: Exception) -> ApiError:
    """The error that a client gets for any exception. The text of an unexpected exception goes only to the log."""
    if isinstance(error, ApiError):
        return error
    if (refusal := untranslatable(error)) is not None:
        return refusal
    log.error("unexpected", exc_info=error)
    return _without_room(error) or server_error(
        "Something went wrong on the server; its log has the reason under this answer's x-request-id"
    )


@contextmanager
def params_as(names: Mapping[str, str]) -> Iterator[None]:
    """Errors name the fields of the client's contract. ``names``: by the name that a field of a chat has."""
    try:
        yield
    except ApiError as error:
        error.param = names.get(error.param or "", error.param)
        raise


def _without_room(error: Exception) -> ApiError | None:
    """For a full disk or database, and for memory that ran out. None for any other exception."""
    if isinstance(error, MemoryError):
        return overloaded("The server ran out of memory: try again later, or send less at once", retry_after=30)
    return unwritable(error)


async def as_api_errors(events: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """The same events. Whatever exception ends them becomes the error that the client gets."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except Exception as error:
            raise api_error(error) from error


def unexpected_error(error: Exception, request_id: str) -> ApiError:
    """The error that a client gets for an exception that no route handles; the caller has logged it."""
    return _without_room(error) or server_error(
        f"Something went wrong on the server; its log has the reason under {request_id}"
    )


async def on_unexpected(request: Request, error: Exception) -> Response:
    """In place of Starlette's plain text. Starlette raises the exception again, and `Boundary` logs it."""
    return error_response(unexpected_error(error, request.scope["state"].get(REQUEST_ID, "")))


async def on_api_error(_request: Request, error: Exception) -> Response:
    return error_response(api_error(error))


async def on_invalid_parameters(_request: Request, error: Exception) -> Response:
    """For path and query parameters of the wrong type, which FastAPI checks."""
    assert isinstance(error, RequestValidationError)
    detail = [
        {"loc": list(entry["loc"]), "msg": entry["msg"], "type": entry["type"], **_in_numbers(entry)}
        for entry in error.errors()[:_MOST_DETAILS]
    ]
    first = detail[0]
    param = str(first["loc"][-1])
    return error_response(_wrong_fields(f"{param}: {first['msg']}", first, param=param, detail=detail))


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """For Starlette's own errors: no such route, wrong method."""
    assert isinstance(error, HTTPException)
    type_ = _TYPES.get(error.status_code, "server_error" if error.status_code >= 500 else "invalid_request_error")
    return error_response(ApiError(error.status_code, type_, str(error.detail), headers=error.headers))


def _wrong_fields(
    message: str, first: Mapping[str, Any], *, param: str | None, detail: list[dict[str, Any]]
) -> ApiError:
    return ApiError(
        422,
        "invalid_request_error",
        message,
        param=param,
        code=str(first.get("code", first["type"])),
        detail=detail,
        values=first.get("values"),
    )


def _in_numbers(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The bounds that pydantic found crossed, or the code and the values of a rule of ours."""
    context = entry.get("ctx", {})
    if isinstance(refusal := context.get("error"), Refusal):
        return {"code": refusal.code, "values": refusal.values}
    values = {
        name: value for name, value in context.items() if name in _BOUNDS and isinstance(value, (str, int, float))
    }
    return {"values": values} if values else {}


def _nearness(entry: dict[str, Any]) -> tuple[int, list[int], bool]:
    """Ranks the errors of a union: the client most likely meant the member in which validation got furthest."""
    positions = [part for part in entry["loc"] if isinstance(part, int)]
    return len(entry["loc"]), positions, not entry["type"].endswith("_type")


def _names_a_union_member(part: str | int) -> bool:
    """Whether pydantic put this part into the path for a member of a union, as in ``stop.list[str].0``."""
    return isinstance(part, str) and (
        part in ("str", "int", "bool") or part[:1].isupper() or "[" in part or part.startswith("constrained-")
    )
