"""A file as an answer, whole or in the requested ranges (RFC 9110, section 14)."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from aquilon.api.errors import error_response
from aquilon.api.schemas import answers, error_answer
from aquilon.errors import ApiError

_REFUSALS = (400, 416)

ASKED_BY_HEAD = "aquilon.asked_by_head"
"""Key in the ASGI scope of a HEAD request that is routed as a GET."""


class Download(FileResponse):
    """Refuses invalid ranges with the API's error body in place of Starlette's plain text."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def send_or_refuse(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] in _REFUSALS:
                refused = True
                await error_response(_refusal(message))(scope, receive, send)
            elif not refused:
                await send(message)

        method = "HEAD" if ASKED_BY_HEAD in scope else scope["method"]
        await super().__call__({**scope, "method": method}, receive, send_or_refuse)


def _refusal(start: Message) -> ApiError:
    """``start``: the start of Starlette's own refusal."""
    if start["status"] == 400:
        return ApiError(
            400,
            "invalid_request_error",
            "The header 'Range' is invalid: send it like 'Range: bytes=0-99'",
            code="invalid_range",
        )
    content_range = Headers(raw=start["headers"])["content-range"]
    size = content_range.rpartition("/")[2]
    return ApiError(
        416,
        "invalid_request_error",
        f"The requested range is outside the file, which has {size} bytes",
        code="range_not_satisfiable",
        headers={"content-range": content_range},
    )


_BYTES = {"schema": {"type": "string", "format": "binary"}}


def download_answers(description: str) -> dict[int | str, dict[str, Any]]:
    """For a route's ``responses``."""
    return {
        **answers((), description=description),
        200: {"description": description, "content": {"application/octet-stream": _BYTES}},
        206: {
            "description": "The requested range; several ranges come as the parts of one body.",
            "headers": {"Content-Range": {"schema": {"type": "string"}}},
            "content": {"application/octet-stream": _BYTES, "multipart/byteranges": _BYTES},
        },
        416: error_answer("The range is outside the file; `Content-Range` has its size."),
    }


RANGE = {
    "parameters": [
        {
            "name": "Range",
            "in": "header",
            "description": "The bytes to send, such as `bytes=0-1023`. Without it the whole file is sent.",
            "schema": {"type": "string", "pattern": r"^bytes=\d+-\d*$"},
        }
    ]
}
"""For a route's ``openapi_extra``."""
