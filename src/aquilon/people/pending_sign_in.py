"""A sign-in that is under way at an identity provider, kept in a cookie of the browser that began it.

The cookie is sealed, so the server stores nothing. A provider's answer is refused if it
comes in another browser (a login CSRF), too late, or from another provider.
"""

from __future__ import annotations

import hmac
import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.people.cookies import cookie_name
from aquilon.people.secrets import new_token
from aquilon.storage.sealing import Sealer, SealError

SECONDS = 600

_COOKIE = "sign-in"


class PendingSignIn(msgspec.Struct, frozen=True, kw_only=True, tag="sign_in"):
    provider_id: str
    state: str = msgspec.field(default_factory=new_token)
    nonce: str = msgspec.field(default_factory=new_token)
    verifier: str = msgspec.field(default_factory=new_token)
    to: str = "/"
    """The path on this server to go to afterwards."""
    invitation: str | None = None
    """The token of the invitation to accept."""
    link_to: str | None = None
    """The id of the signed-in user to whose account the identity is added."""
    expires_at: int = msgspec.field(default_factory=lambda: int(time.time()) + SECONDS)


def remember(request: Request, response: Response, sealer: Sealer, *, pending: PendingSignIn) -> None:
    """Raises SealError."""
    response.set_cookie(
        cookie_name(request, _COOKIE),
        sealer.seal(msgspec.json.encode(pending).decode()),
        max_age=SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def forget(request: Request, response: Response) -> None:
    response.delete_cookie(
        cookie_name(request, _COOKIE), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def recall(request: Request, sealer: Sealer, provider_id: str, *, state: str) -> PendingSignIn | None:
    """The sign-in that this browser began with this provider, if ``state`` belongs to it; else None."""
    sealed = request.cookies.get(cookie_name(request, _COOKIE))
    if not sealed:
        return None
    try:
        pending = msgspec.json.decode(sealer.open(sealed), type=PendingSignIn)
    except (SealError, msgspec.MsgspecError):
        return None
    if pending.provider_id != provider_id or pending.expires_at <= time.time():
        return None
    return pending if hmac.compare_digest(pending.state.encode(), state.encode("utf-8", "surrogatepass")) else None


def is_own_path(path: str) -> bool:
    """Whether a redirect there stays on this server: a path that no browser reads as a host."""
    return (
        path.startswith("/")
        and not path.startswith(("//", "/\\"))
        and len(path) <= 500
        and path.isprintable()
        and "\\" not in path
    )
