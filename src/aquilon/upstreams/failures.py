"""What goes wrong with upstreams: told to the operator with hosts and reasons, to the client without."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from aquilon.errors import ApiError, invalid, overloaded
from aquilon.upstreams.upstream import Upstream

MOST_ERROR_BYTES = 64 * 2**10
"""Read of an upstream's error answer."""
_MOST_MESSAGE_CHARACTERS = 1000
_MOST_REST_SECONDS = 120.0
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ADDRESS = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b")
_SECRET = re.compile(r"\b(?:sk|aq|key|Bearer)[-_ ][A-Za-z0-9*_.-]{6,}", re.IGNORECASE)
_CLIENTS_FAULT = frozenset({400, 413, 415, 422})


class UpstreamFailure(Exception):
    """One attempt failed. The message is the operator's: it may name hosts, never secrets."""

    def __init__(
        self, reason: str, answer: ApiError, *, elsewhere: bool = True, unhealthy: bool = True, rest: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.answer = answer
        """For the client, where nobody else can answer."""
        self.elsewhere = elsewhere
        """Whether another upstream may do better."""
        self.unhealthy = unhealthy
        """Whether it says something about the upstream."""
        self.rest = rest
        """Seconds that the upstream asked to be left alone."""


def unreachable(reason: str) -> UpstreamFailure:
    message = "The upstream that computes this model's answers can't be reached"
    return UpstreamFailure(reason, ApiError(502, "server_error", message, code="upstream_unreachable"))


def too_slow(what: str, seconds: float) -> UpstreamFailure:
    """``what``: what did not come in so many seconds."""
    reason = f"{what} did not come within {seconds:g} s"
    message = "The upstream that computes this model's answers took too long"
    return UpstreamFailure(reason, ApiError(504, "server_error", message, code="upstream_timeout"))


def broken(reason: str) -> UpstreamFailure:
    """It answered with what is no answer, or ended it in the middle."""
    message = "The upstream that computes this model's answers broke off or sent what can't be read"
    return UpstreamFailure(reason, ApiError(502, "server_error", message, code="upstream_failed"))


def stopping() -> UpstreamFailure:
    """Nobody elsewhere is to blame, and nobody is asked any more."""
    answer = overloaded("The server is stopping", retry_after=5)
    return UpstreamFailure("was left: the server is stopping", answer, elsewhere=False, unhealthy=False)


def in_a_circle() -> UpstreamFailure:
    """Servers are each other's upstreams: nobody is ill, and nobody else is asked."""
    message = (
        "The upstreams of this model ask each other in a circle: its operator must look at whose upstream is whose"
    )
    answer = ApiError(508, "server_error", message, code="loop_detected")
    return UpstreamFailure("was not asked: the request came in a circle", answer, elsewhere=False, unhealthy=False)


def of_status(
    status: int, headers: Mapping[str, str], body: bytes, upstream: Upstream, *, model: str, remote: str
) -> UpstreamFailure:
    """``body`` as far as it was read."""
    message, code = _told(body)
    reason = f"answered with status {status}: {without_secrets(message, upstream)[:300] or 'no reason given'}"
    if status in _CLIENTS_FAULT:
        words = clean(message, upstream, model=model, remote=remote)
        answer = invalid(words or "The upstream refused the request without a reason", code=code)
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
        return in_a_circle()
    if 300 <= status < 400:
        return broken(f"answered with a redirection ({status}), which is never followed")
    if status in (401, 403, 404):
        words = "The upstream refused this server: its operator must look at the upstream's key and models"
        return UpstreamFailure(reason, ApiError(502, "server_error", words, code="upstream_refused"))
    failure = broken(reason)
    failure.answer.message = "The upstream that computes this model's answers failed"
    return failure


def of_event(data: bytes, upstream: Upstream, *, model: str, remote: str) -> UpstreamFailure:
    """An ``error`` event in a stream."""
    message, code = _told(data)
    failure = broken(f"sent an error: {without_secrets(message, upstream)[:300] or 'without a reason'}")
    words = clean(message, upstream, model=model, remote=remote)
    if words:
        failure.answer.message = f"The upstream that computes this model's answers failed: {words}"
    failure.answer.code = code or failure.answer.code
    failure.answer.args = (failure.answer.message,)
    return failure


def clean(message: str, upstream: Upstream, *, model: str, remote: str) -> str:
    """An upstream's words without its secrets, hosts and names."""
    text = _ADDRESS.sub("[address]", without_secrets(message, upstream))
    if upstream.host:
        text = re.sub(re.escape(upstream.host), "[address]", text, flags=re.IGNORECASE)
    if remote != model:
        text = text.replace(remote, model)
    return " ".join(text.split())[:_MOST_MESSAGE_CHARACTERS]


def without_secrets(message: str, upstream: Upstream) -> str:
    """The same for the operator's log: addresses may stay."""
    text = "".join(character if character.isprintable() else " " for character in message)
    for secret in (upstream.api_key, *upstream.headers.values()):
        if secret and len(secret) >= 4:
            text = text.replace(secret, "[secret]")
    return _SECRET.sub("[secret]", text)


def _told(body: bytes) -> tuple[str, str | None]:
    """Message and code of an error body, in the shapes that servers have."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return body[:_MOST_MESSAGE_CHARACTERS].decode("utf-8", "replace") if b"<" not in body else "", None
    inner = found.get("error", found) if isinstance(found, dict) else found
    if isinstance(inner, str):
        return inner, None
    if not isinstance(inner, dict):
        return "", None
    message = inner.get("message") or inner.get("detail") or inner.get("msg") or ""
    code = inner.get("code")
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    return text, code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    try:
        return min(max(float(text), 0.0), _MOST_REST_SECONDS)
    except ValueError:
        return 0.0
