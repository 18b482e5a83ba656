"""Failures of upstreams: the operator sees hosts and reasons, the client doesn't."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from aquilon.errors import ApiError, invalid, overloaded, server_stopping
from aquilon.upstreams.upstream import Upstream

MOST_ERROR_BYTES = 64 * 2**10
"""The most bytes to read of an upstream's error response."""
_MOST_MESSAGE_CHARACTERS = 1000
_MOST_REST_SECONDS = 120.0
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ADDRESS = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b")
_SECRET = re.compile(r"\b(?:sk|aq|key|Bearer)[-_ ][A-Za-z0-9*_.-]{6,}", re.IGNORECASE)
_CLIENTS_FAULT = frozenset({400, 413, 415, 422})


class UpstreamFailure(Exception):
    """One attempt failed. Its message is for the operator: it may name hosts, never secrets."""

    def __init__(
        self, reason: str, answer: ApiError, *, elsewhere: bool = True, unhealthy: bool = True, rest: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.answer = answer
        """The error for the client, if no other upstream answers."""
        self.elsewhere = elsewhere
        """Whether another upstream may be able to answer."""
        self.unhealthy = unhealthy
        """Whether it counts against the upstream's health."""
        self.rest = rest
        """Seconds for which the upstream asked for no requests."""


def unreachable(reason: str) -> UpstreamFailure:
    message = "The upstream that computes this model's answers can't be reached"
    return UpstreamFailure(reason, ApiError(502, "server_error", message, code="upstream_unreachable"))


def too_slow(awaited: str, seconds: float) -> UpstreamFailure:
    """``awaited``: what did not come within ``seconds``, such as "the first token"."""
    reason = f"{awaited} did not come within {seconds:g} s"
    message = "The upstream that computes this model's answers took too long"
    return UpstreamFailure(reason, ApiError(504, "server_error", message, code="upstream_timeout"))


def broken(reason: str) -> UpstreamFailure:
    """The upstream's answer can't be read, or it ended in the middle."""
    message = "The upstream that computes this model's answers broke off or sent what can't be read"
    return UpstreamFailure(reason, ApiError(502, "server_error", message, code="upstream_failed"))


def stopping() -> UpstreamFailure:
    """This server is stopping: no upstream is at fault, and none is asked."""
    return UpstreamFailure("was left: the server is stopping", server_stopping(), elsewhere=False, unhealthy=False)


def loop_detected() -> UpstreamFailure:
    """Servers are each other's upstreams: no upstream is unhealthy, and no other is asked."""
    message = (
        "The upstreams of this model ask each other in a loop: the server's operator must remove one of them from "
        "the loop"
    )
    answer = ApiError(508, "server_error", message, code="loop_detected")
    return UpstreamFailure("was not asked: the request came in a loop", answer, elsewhere=False, unhealthy=False)


def of_status(
    status: int, headers: Mapping[str, str], body: bytes, *, upstream: Upstream, model: str, remote: str
) -> UpstreamFailure:
    """The failure of an HTTP status other than 200. ``body`` may be cut."""
    message, code = _message_and_code(body)
    reason = f"answered with status {status}: {without_secrets(message, upstream)[:300] or 'no reason given'}"
    if status in _CLIENTS_FAULT:
        client_message = clean(message, upstream, model=model, remote=remote)
        answer = invalid(client_message or "The upstream refused the request without a reason", code=code)
        answer.status = status
        return UpstreamFailure(reason, answer, elsewhere=False, unhealthy=False)
    if status in (429, 503, 529):
        rest = _retry_after(headers)
        answer = overloaded(
            "The upstream that computes this model's answers has no room now; try again in a moment",
            retry_after=max(1, round(rest or 5)),
            code="upstream_overloaded",
        )
        return UpstreamFailure(reason, answer, unhealthy=status != 429, rest=rest)
    if status == 508:
        return loop_detected()
    if 300 <= status < 400:
        return broken(f"answered with a redirection ({status}), which is never followed")
    if status in (401, 403, 404):
        client_message = "The upstream refused this server: its operator must check the upstream's key and models"
        return UpstreamFailure(reason, ApiError(502, "server_error", client_message, code="upstream_refused"))
    failure = broken(reason)
    failure.answer.message = "The upstream that computes this model's answers failed"
    return failure


def of_event(data: bytes, upstream: Upstream, *, model: str, remote: str) -> UpstreamFailure:
    """An ``error`` event in a stream."""
    message, code = _message_and_code(data)
    failure = broken(f"sent an error: {without_secrets(message, upstream)[:300] or 'without a reason'}")
    client_message = clean(message, upstream, model=model, remote=remote)
    if client_message:
        failure.answer.message = f"The upstream that computes this model's answers failed: {client_message}"
    failure.answer.code = code or failure.answer.code
    failure.answer.args = (failure.answer.message,)
    return failure


def clean(message: str, upstream: Upstream, *, model: str, remote: str) -> str:
    """An upstream's message for the client, without secrets, hosts and the model's name there."""
    text = _ADDRESS.sub("[address]", without_secrets(message, upstream))
    if upstream.host:
        text = re.sub(re.escape(upstream.host), "[address]", text, flags=re.IGNORECASE)
    if remote != model:
        text = text.replace(remote, model)
    return " ".join(text.split())[:_MOST_MESSAGE_CHARACTERS]


def without_secrets(message: str, upstream: Upstream) -> str:
    """An upstream's message for the operator's log: addresses may stay."""
    text = "".join(character if character.isprintable() else " " for character in message)
    for secret in (upstream.api_key, *upstream.headers.values()):
        if secret and len(secret) >= 4:
            text = text.replace(secret, "[secret]")
    return _SECRET.sub("[secret]", text)


def _message_and_code(body: bytes) -> tuple[str, str | None]:
    """Message and code of an error body, in any of the forms that servers use."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return body[:_MOST_MESSAGE_CHARACTERS].decode("utf-8", "replace") if b"<" not in body else "", None
    error = decoded.get("error", decoded) if isinstance(decoded, dict) else decoded
    if isinstance(error, str):
        return error, None
    if not isinstance(error, dict):
        return "", None
    message = error.get("message") or error.get("detail") or error.get("msg") or ""
    code = error.get("code")
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    return text, code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    try:
        return min(max(float(text), 0.0), _MOST_REST_SECONDS)
    except ValueError:
        return 0.0
