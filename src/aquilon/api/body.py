"""Reading a request's JSON in bounded memory."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request

from aquilon.api.errors import invalid_fields
from aquilon.api.services import services
from aquilon.errors import ApiError, invalid

STRICT_HEADER = "x-aquilon-strict"
"""``true`` refuses fields that are unknown here, with 422; otherwise they are ignored."""

BODY_SECONDS = 60
"""A body that takes longer to arrive is given up."""


class Fields(BaseModel):
    """A request body: JSON types as they are, no text for numbers, unknown fields kept aside."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


F = TypeVar("F", bound=Fields)


async def read_body(request: Request, fields: type[F], *, most: int | None = None) -> F:
    """The validated body, of at most ``most`` bytes where that is less than the server's own limit.

    Raises ApiError: 413 above the limit (without reading on), 415 for what isn't
    JSON, 400 for what can't be parsed, 422 for wrong fields.
    """
    _require_json(request)
    limit = services(request).settings.max_body_bytes
    data = await _read(request, limit if most is None else min(limit, most))
    try:
        body = fields.model_validate(_parse(data))
    except ValidationError as error:
        raise invalid_fields(error, name="body") from None
    if request.headers.get(STRICT_HEADER, "").lower() in ("true", "1") and body.model_extra:
        raise _unknown_fields(list(body.model_extra))
    return body


async def read_bytes(request: Request) -> bytes:
    """A body as it came. Raises ApiError: 413 above the server's limit (without reading on), 408 for one too slow."""
    return await _read(request, services(request).settings.max_body_bytes)


def _require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ApiError(
            415,
            "invalid_request_error",
            f"The body must be JSON with 'Content-Type: application/json', not '{kind[:100] or 'none'}'",
            code="unsupported_media_type",
        )


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise ApiError(
            408, "invalid_request_error", f"The body didn't arrive within {BODY_SECONDS} seconds", code="body_timeout"
        ) from None
    except ClientDisconnect:
        raise invalid("The connection ended before the body did") from None
    return bytes(data)


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413, "invalid_request_error", f"The body has more than {limit} bytes, the limit here", code="body_too_large"
    )


def _parse(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except UnicodeDecodeError as error:
        raise invalid(
            f"The body isn't valid UTF-8: {error.reason} at byte {error.start}", code="invalid_utf8"
        ) from None
    except RecursionError:
        raise invalid("The body is nested too deeply", code="invalid_json") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise invalid(f"The body isn't valid JSON: {error}", code="invalid_json") from None


def _unknown_fields(names: list[str]) -> ApiError:
    detail = [{"loc": ["body", name[:100]], "msg": "Unknown field", "type": "extra_forbidden"} for name in names[:20]]
    message = f"Unknown fields, refused because of {STRICT_HEADER}: {', '.join(name[:100] for name in names[:20])}"
    return ApiError(422, "invalid_request_error", message, param=names[0][:100], code="unknown_field", detail=detail)
