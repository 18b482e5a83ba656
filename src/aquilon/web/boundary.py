"""What every answer gets: a request id, security headers, an error body after a failure, one line in the log."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aquilon.api.answer_headers import collected_headers
from aquilon.api.errors import error_response, unexpected_error
from aquilon.api.websocket import CloseCode
from aquilon.conversations.dialects.dialect import MESSAGES
from aquilon.conversations.dialects.error_bodies import REQUEST_ID
from aquilon.errors import ApiError
from aquilon.log import get_logger
from aquilon.people.origin import IN_PROCESS, host_name, is_loopback_name
from aquilon.settings import Settings
from aquilon.web.cross_origin import CrossOrigin
from aquilon.web.logs import write_line

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "img-src 'self' blob:",
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types svelte-trusted-html dompurify aquilon",
    )
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
}

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

PROBES = frozenset({"/health", "/ready", "/metrics"})
"""Monitoring asks for these every few seconds, so they are logged at ``debug``."""

log = get_logger("aquilon.access")
_access = logging.getLogger("aquilon.access")
"""For the line that each request writes: structlog's processors would take a fifth of a short request's time."""


class Boundary:
    """ASGI middleware around all routes. ``x-request-id`` is the client's if it is well-formed, else a new one."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = TrustedHosts(settings)
        self._cross_origin = CrossOrigin(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        headers = Headers(scope=scope)
        client_id = headers.get("x-request-id", "")
        request_id = client_id if _REQUEST_ID.fullmatch(client_id) else f"req_{random.getrandbits(96):024x}"
        scope.setdefault("state", {})[REQUEST_ID] = request_id
        scope = self._cross_origin.prepare(scope)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                message["headers"] = _with_common_headers(message.get("headers", ()), request_id, scope)
            elif message["type"] == "websocket.accept":
                status = 101
                message["headers"] = [(b"x-request-id", request_id.encode())]
            await send(message)

        try:
            refused = self._hosts.refuse(headers.get("host", ""))
            answer = self._cross_origin.preflight(scope) if refused is None else error_response(refused)
            await (answer or self._app)(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = status or 499
        except Exception as error:
            log.exception("unexpected", request_id=request_id)
            if not status:
                await error_response(unexpected_error(error, request_id))(scope, receive, send_with_headers)
            elif status == 101:
                with suppress(OSError):  # the client has left
                    await send({"type": "websocket.close", "code": int(CloseCode.INTERNAL_ERROR)})
        finally:
            self._write_log(scope, request_id, status=status, started=started)

    def _write_log(self, scope: Scope, request_id: str, *, status: int, started: float) -> None:
        """Writes no query, body or header: nothing that a person wrote."""
        principal = scope["state"].get("principal")
        level = logging.DEBUG if scope["path"] in PROBES or IN_PROCESS in scope else logging.INFO
        if _access.isEnabledFor(level):
            user = f" user={principal.user_id}" if principal is not None else ""
            took = round((time.monotonic() - started) * 1000, 1)
            path = quote(scope["path"][:200])
            event = "websocket" if scope["type"] == "websocket" else f"request method={scope['method']}"
            line = f"event={event} path={path} status={status} ms={took}{user}"
            write_line(_access.name, level, f"{line} request_id={request_id}")


_DEFAULTS = [
    (name.encode(), value.encode()) for name, value in {**SECURITY_HEADERS, "cache-control": "no-store"}.items()
]


def _with_common_headers(
    headers: Iterable[tuple[bytes, bytes]], request_id: str, scope: Scope
) -> list[tuple[bytes, bytes]]:
    """An answer's headers and those that every answer gets. The answer's own headers take precedence."""
    pairs = [pair for pair in headers if pair[0] != b"x-request-id"]
    pairs.append((b"x-request-id", request_id.encode()))
    if scope["path"].startswith(MESSAGES):
        pairs.append((b"request-id", request_id.encode()))  # Anthropic's name
    names = {name for name, _ in pairs}
    for name, value in collected_headers(scope).items():
        if (raw_name := name.encode("latin-1")) not in names:
            pairs.append((raw_name, value.encode("latin-1")))
            names.add(raw_name)
    pairs += [pair for pair in _DEFAULTS if pair[0] not in names]
    if scope["scheme"] in ("https", "wss"):
        pairs.append((b"strict-transport-security", b"max-age=31536000"))
    return pairs


class TrustedHosts:
    """Refuses unknown host names, against DNS rebinding.

    A server on loopback accepts the names of this machine and those in ``trusted_hosts``. On another address the
    server accepts any name, unless ``trusted_hosts`` lists names.
    """

    def __init__(self, settings: Settings) -> None:
        self._names = {name.lower() for name in settings.trusted_hosts}
        self._open = not self._names and not is_loopback_name(settings.host)
        self._names.add(settings.host.lower())

    def refuse(self, header: str) -> ApiError | None:
        """The error for a ``Host`` header that isn't accepted, else None."""
        name = host_name(header)
        if self._open or name in self._names or is_loopback_name(name):
            return None
        return ApiError(
            421,
            "invalid_request_error",
            f"This server doesn't answer to the name '{name[:100]}': add it to AQUILON_TRUSTED_HOSTS if it should",
            code="unknown_host",
        )
