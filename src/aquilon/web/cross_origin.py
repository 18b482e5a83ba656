"""Requests of web applications at other origins: answered where the operator allows it (CORS, in the Fetch standard).

An allowed application reads the API's answers, errors included, with an API key. A session is never used for it.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from aquilon.api.answer_headers import collected_headers
from aquilon.people.origin import is_own_origin
from aquilon.settings import ANY_ORIGIN, Settings

CLOSED_PATHS = ("/auth/", "/metrics")
"""Accounts of people, and what this machine's own programs read without a key."""

_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
"""All of them at each path: the answer to a wrong method or an unknown path can be read only after a preflight."""
_REMEMBERED_SECONDS = 7200
"""For which a browser may keep the answer to a preflight. Chromium keeps none longer."""
_FIELD_NAMES = re.compile(r"[ \t]*[\w!#$%&'*+.^`|~-]{1,100}(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]{1,100})*[ \t]*", re.ASCII)
_MOST_FIELD_NAMES_LENGTH = 4096


class CrossOrigin:
    """Which origins may read answers: those in ``cors_origins``, by default none."""

    def __init__(self, settings: Settings) -> None:
        self._origins = frozenset(settings.cors_origins)

    def prepare(self, scope: Scope) -> Scope:
        """The request as its routes may see it: without cookies if an allowed other origin sends it.

        Collects the headers that let the origin read the answer, whichever it will be.
        """
        if not self._origins or scope["path"].startswith(CLOSED_PATHS):
            return scope
        collected = collected_headers(scope)
        collected["vary"] = "Origin"
        allowed = self._allowed(scope)
        if allowed is None:
            return scope
        collected["access-control-allow-origin"] = allowed
        collected["access-control-expose-headers"] = "*"
        collected["cross-origin-resource-policy"] = "cross-origin"
        return {**scope, "headers": [field for field in scope["headers"] if field[0] != b"cookie"]}

    def preflight(self, scope: Scope) -> Response | None:
        """The answer to a preflight of an allowed origin; None for any other request."""
        if scope.get("method") != "OPTIONS" or "access-control-allow-origin" not in collected_headers(scope):
            return None
        headers = Headers(scope=scope)
        if "access-control-request-method" not in headers:
            return None
        answer = {
            "access-control-allow-methods": _METHODS,
            "access-control-max-age": str(_REMEMBERED_SECONDS),
            "vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        }
        names = headers.get("access-control-request-headers", "")
        if len(names) <= _MOST_FIELD_NAMES_LENGTH and _FIELD_NAMES.fullmatch(names):
            answer["access-control-allow-headers"] = names
        return Response(status_code=204, headers=answer)

    def _allowed(self, scope: Scope) -> str | None:
        """The origin to name in the answer, or ``*``; None for our own page, another origin, and no browser."""
        connection = HTTPConnection(scope)
        origin = connection.headers.get("origin")
        if origin is None or is_own_origin(origin, connection):
            return None
        if ANY_ORIGIN in self._origins:
            return ANY_ORIGIN
        return origin if origin in self._origins else None
