"""A struct, or a list of structs, as a JSON answer that no cache may store."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.responses import Response


def json_answer(body: msgspec.Struct | Sequence[msgspec.Struct], status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(body), status, media_type="application/json", headers={"cache-control": "no-store"}
    )
