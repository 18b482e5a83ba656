"""Where a request comes from: the origin that a browser sends, and the network address."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection, Request

from aquilon.errors import forbidden
from aquilon.log import get_logger
from aquilon.people.proxies import was_forwarded

IN_PROCESS = "aquilon.principal"
"""The key, in the ASGI scope, of the principal of a request that the server makes to itself for a batch line."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

log = get_logger("aquilon.origin")


def is_loopback_name(host: str) -> bool:
    """Whether the host, without a port, is ``localhost``, ``127.0.0.1``, ``::1`` or another loopback name."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The host of a ``Host`` header, without its port and an IPv6 address's brackets, in lower case."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower().rstrip(".")


def comes_from_loopback(connection: HTTPConnection) -> bool:
    """Whether the peer's address and the ``Host`` that it used are loopback ones, and no proxy is between them."""
    if was_forwarded(connection):
        return False
    peer = connection.client.host if connection.client is not None else ""
    return is_loopback_name(peer) and is_loopback_name(host_name(connection.headers.get("host", "")))


def is_own_origin(origin: str, connection: HTTPConnection) -> bool:
    """Whether the ``Origin`` that a browser sent is the one under which it reached this server."""
    scheme = connection.scope["scheme"].replace("ws", "http", 1)  # a page's origin has http where its WebSocket has ws
    return origin == f"{scheme}://{connection.headers.get('host', '')}"


def require_same_origin(request: Request, *, allow_none: bool = False) -> None:
    """Refuse an unsafe request that another site may have made a browser send.

    ``Origin`` must be exactly ours; if it is missing, ``Sec-Fetch-Site`` must be
    ``same-origin``. ``allow_none`` accepts a client that sends neither, since it is not a
    browser. Raises ApiError 403.
    """
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if origin is not None:
        if is_own_origin(origin, request):
            return
    elif site == "same-origin" or (site is None and allow_none):
        return
    log.warning(
        "A page's request was refused: its origin is not this server's address",
        origin=origin,
        address=f"{request.scope['scheme']}://{request.headers.get('host', '')}",
        advice="A proxy must pass Host and X-Forwarded-Proto on, and be named in trusted_proxies",
    )
    raise forbidden(
        "This request comes from another site; open the page at this server's own address", code="cross_site"
    )
