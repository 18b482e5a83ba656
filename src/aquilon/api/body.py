"""Reading a request's JSON in bounded memory."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from aquilon.api.errors import invalid_fields
from aquilon.api.json_size import MOST_STRUCTURES, MOST_VALUES, holds_too_much, is_small
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import Fields
from aquilon.errors import ApiError, invalid

STRICT_HEADER = "x-aquilon-strict"
"""With ``true``, unknown fields are refused with 422; otherwise they are ignored."""

BODY_SECONDS = 60
"""A body that takes longer to arrive is refused with 408."""

_MOST_DETAILED = 200
"""With more errors than this, only those in the first entries of each list are reported."""


F = TypeVar("F", bound=Fields)


async def read_body(
    request: Request,
    fields: type[F],
    *,
    most: int | None = None,
    structures: int = MOST_STRUCTURES,
    any_type: bool = False,
) -> F:
    """As `read_either`, for a path whose bodies all have the same ``fields``."""
    return await read_either(request, lambda _: fields, most=most, structures=structures, any_type=any_type)


async def read_either(
    request: Request,
    choose: Callable[[Any], type[F]],
    *,
    most: int | None = None,
    structures: int = MOST_STRUCTURES,
    any_type: bool = False,
) -> F:
    """The validated body, of at most ``most`` bytes or the server's own limit, whichever is less.

    ``choose``: the fields of a body, by its JSON. ``any_type``: the body is JSON whatever its content type says.

    Large bodies are parsed in one thread, one after the other, so that other requests go on.
    Raises ApiError: 413 above the limit (without reading on) and for too many values, 415
    for another content type than JSON, 400 for invalid JSON, 408 for a slow body, 422 for wrong fields.
    """
    if not any_type:
        _require_json(request)
    limit = services(request).settings.max_body_bytes
    data = await _read(request, limit if most is None else min(limit, most))
    return await _validated_by(request, data, choose, structures=structures)


async def validated_body(request: Request, data: bytes, fields: type[F], *, structures: int = MOST_STRUCTURES) -> F:
    """As `read_body`, of what has been read; ``request`` says whether unknown fields are refused."""
    return await _validated_by(request, data, lambda _: fields, structures=structures)


async def _validated_by(request: Request, data: bytes, choose: Callable[[Any], type[F]], *, structures: int) -> F:
    state = services(request)
    if is_small(data):
        body = _validated(data, choose, structures)
    else:
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(state.large_bodies, _validated, data, choose, structures)
    if request.headers.get(STRICT_HEADER, "").lower() in ("true", "1") and body.model_extra:
        raise _unknown_fields(list(body.model_extra))
    return body


async def read_bytes(request: Request, *, most: int | None = None, seconds: float = BODY_SECONDS) -> bytes:
    """The raw body. Raises ApiError: 413 above ``most`` bytes or the server's limit (without reading on), 408 if it
    takes more ``seconds``, 415 for a compressed body."""
    limit = services(request).settings.max_body_bytes if most is None else most
    return await _read(request, limit, seconds=seconds)


def require_plain(request: Request) -> None:
    """Raises ApiError 415 for a body in a content coding: no coding is supported (RFC 9110 15.5.16)."""
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise ApiError(
            415,
            "invalid_request_error",
            f"The body must be sent uncompressed, without 'Content-Encoding: {coding[:100]}'",
            code="unsupported_content_encoding",
            headers={"accept-encoding": "identity"},
        )


def _require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ApiError(
            415,
            "invalid_request_error",
            f"The body must be JSON with 'Content-Type: application/json', not '{kind[:100] or 'none'}'",
            code="unsupported_media_type",
        )


async def _read(request: Request, limit: int, *, seconds: float = BODY_SECONDS) -> bytes:
    require_plain(request)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise ApiError(
            408, "invalid_request_error", f"The body didn't arrive within {seconds:g} seconds", code="body_timeout"
        ) from None
    except ClientDisconnect:
        raise invalid("The connection ended before the body did", code="body_incomplete") from None
    return bytes(data)


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413,
        "invalid_request_error",
        f"The body has more than {limit} bytes, the limit of this server",
        code="body_too_large",
        values={"most": limit},
    )


def _validated(data: bytes, choose: Callable[[Any], type[F]], structures: int) -> F:
    if holds_too_much(data, structures=structures):
        raise ApiError(
            413,
            "invalid_request_error",
            f"The body has too many values: at most {structures} objects, lists and fields, and {MOST_VALUES} values "
            "in all",
            code="too_many_values",
        )
    content = _parse(data)
    fields = choose(content)
    try:
        return fields.model_validate(content)
    except ValidationError as error:
        refusal = _refusal(error, fields, content)
    raise refusal  # outside the except block: its context would keep all of pydantic's errors in memory


def _refusal(error: ValidationError, fields: type[Fields], content: Any) -> ApiError:
    """With very many errors, pydantic would describe them all before the first few could be reported."""
    if error.error_count() <= _MOST_DETAILED:
        return invalid_fields(error, name="body")
    try:
        fields.model_validate(_shortened(content))
    except ValidationError as shortened_error:
        return invalid_fields(shortened_error, name="body")
    message = f"The body has {error.error_count()} values of a wrong type"
    detail = [{"loc": ["body"], "msg": message, "type": "value_error"}]
    return ApiError(422, "invalid_request_error", message, code="value_error", detail=detail)


def _shortened(content: Any) -> Any:
    if isinstance(content, list):
        return [_shortened(entry) for entry in content[:20]]
    if isinstance(content, dict):
        return {name: _shortened(value) for name, value in content.items()}
    return content


def _parse(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))
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
