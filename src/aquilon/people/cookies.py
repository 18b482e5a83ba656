"""The session cookie: ``__Host-`` and Secure over https, a plain name over http on this machine, refused elsewhere."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aquilon.errors import forbidden
from aquilon.people.origin import comes_from_loopback

_SESSION = "session"


def session_id(request: Request) -> str | None:
    return request.cookies.get(cookie_name(request, _SESSION)) or None


def require_private_transport(request: Request) -> None:
    """Raises ApiError 403 if a cookie would cross a network unencrypted."""
    if request.url.scheme != "https" and not comes_from_loopback(request):
        raise forbidden(
            "Signing in needs https, or a browser on the server's own machine at http://127.0.0.1: "
            "put a TLS proxy in front, or forward the port over SSH",
            code="https_required",
        )


def set_session(request: Request, response: Response, value: str, *, seconds: int) -> None:
    response.set_cookie(
        cookie_name(request, _SESSION),
        value,
        max_age=seconds,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def clear_session(request: Request, response: Response) -> None:
    response.delete_cookie(
        cookie_name(request, _SESSION), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def cookie_name(request: Request, purpose: str) -> str:
    """``__Host-`` keeps other hosts of the domain from setting the cookie; browsers require https for it."""
    return f"__Host-aquilon-{purpose}" if request.url.scheme == "https" else f"aquilon-{purpose}"
