"""A file as an answer, whole or the ranges of it that are asked for (RFC 9110, section 14)."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from aquilon.api.errors import error_response
from aquilon.api.schemas import answers, error_answer
from aquilon.errors import ApiError

_REFUSALS = (400, 416)


class Download(FileResponse):
    """Refuses ranges in the API's own words."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def tell(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] in _REFUSALS:
                refused = True
                await error_response(_refusal(message))(scope, receive, send)
            elif not refused:
                await send(message)

        await super().__call__(scope, receive, tell)


def _refusal(begun: Message) -> ApiError:
    if begun["status"] == 400:
        return ApiError(
            400,
            "invalid_request_error",
            "The header 'Range' can't be read: it is like bytes=0-99",
            code="invalid_range",
        )
    has = Headers(raw=begun["headers"])["content-range"]
    size = has.rpartition("/")[2]
    return ApiError(
        416,
        "invalid_request_error",
        f"The file has {size} bytes, and none in this range",
        code="range_not_satisfiable",
        headers={"content-range": has},
    )


_BYTES = {"schema": {"type": "string", "format": "binary"}}


def download_answers(description: str) -> dict[int | str, dict[str, Any]]:
    """For a route's ``responses``."""
    return {
        **answers(None, description=description),
        200: {"description": description, "content": {"application/octet-stream": _BYTES}},
        206: {
            "description": "The range that was asked for; several as parts",
            "headers": {"Content-Range": {"schema": {"type": "string"}}},
            "content": {"application/octet-stream": _BYTES, "multipart/byteranges": _BYTES},
        },
        416: error_answer("There is nothing in this range; `Content-Range` has the size"),
    }


RANGE = {
    "parameters": [
        {
            "name": "Range",
            "in": "header",
            "description": "The bytes wanted, such as `bytes=0-1023`; all of them without it.",
            "schema": {"type": "string", "pattern": r"^bytes=\d+-\d*$"},
        }
    ]
}
"""For a route's ``openapi_extra``."""
