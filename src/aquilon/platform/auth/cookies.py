"""The session cookie: ``__Host-`` and Secure over https, a plain name over http on this machine, none anywhere else."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aquilon.platform.auth.origin import comes_from_loopback
from aquilon.platform.domain.errors import forbidden

SECURE_NAME = "__Host-aquilon-session"
LOOPBACK_NAME = "aquilon-session"


def session_id(request: Request) -> str | None:
    return request.cookies.get(_name(request)) or None


def require_private_transport(request: Request) -> None:
    """Raises ApiError 403 where a cookie would cross a network in the clear."""
    if request.url.scheme != "https" and not comes_from_loopback(request):
        raise forbidden(
            "Signing in needs https, or a browser on the server's own machine at http://127.0.0.1: "
            "put a TLS proxy in front, or forward the port over SSH",
            code="https_required",
        )


def set_session(request: Request, response: Response, value: str, *, seconds: int) -> None:
    response.set_cookie(
        _name(request),
        value,
        max_age=seconds,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def clear_session(request: Request, response: Response) -> None:
    response.delete_cookie(
        _name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def _name(request: Request) -> str:
    return SECURE_NAME if request.url.scheme == "https" else LOOPBACK_NAME
