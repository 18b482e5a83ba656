"""Headers that a request earns on its way, for its answer: good or bad, whole or streamed."""

from __future__ import annotations

from collections.abc import MutableMapping

from starlette.requests import HTTPConnection
from starlette.types import Scope


def answer_headers(connection: HTTPConnection) -> MutableMapping[str, str]:
    """To be added to until the answer's first byte; names in lower case."""
    return earned_headers(connection.scope)


def earned_headers(scope: Scope) -> MutableMapping[str, str]:
    headers: MutableMapping[str, str] = scope["state"].setdefault("answer_headers", {})
    return headers
