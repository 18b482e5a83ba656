"""A sign-in that is under way at an identity provider, kept in the browser that began it and in no other.

The cookie is sealed, so the server needs to remember nothing: an answer from the provider
that comes in another browser (a login CSRF), late, or for another provider finds none.
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
    """A path of ours to go on to."""
    invitation: str | None = None
    """Its token."""
    link_to: str | None = None
    """The user who asked for the identity to be added to their account."""
    expires_at: int = msgspec.field(default_factory=lambda: int(time.time()) + SECONDS)


def remember(request: Request, response: Response, sealer: Sealer, pending: PendingSignIn) -> None:
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


def recall(request: Request, sealer: Sealer, provider_id: str, state: str) -> PendingSignIn | None:
    """What this browser began with this provider, if the provider's answer is to that."""
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
    """Whether a browser that is sent there stays on this server: a path, and nothing that is read as a host."""
    return (
        path.startswith("/")
        and not path.startswith(("//", "/\\"))
        and len(path) <= 500
        and path.isprintable()
        and "\\" not in path
    )
