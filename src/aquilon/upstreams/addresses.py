"""Checks the addresses of an upstream's host; only checked addresses are connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from aquilon.upstreams.upstream import Upstream, is_forbidden, is_private, literal_address


class AddressRefused(OSError):
    """An upstream's host is, or resolves to, an address that it must not have."""


class VettedResolver(AbstractResolver):
    """Resolves one upstream's name. aiohttp connects to the returned addresses, and never resolves the name again."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        entries = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG
        )
        results = []
        for address_family, _, protocol, _, address in entries:
            require_allowed(self._upstream, str(address[0]))
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=port,
                    family=address_family,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        return results

    async def close(self) -> None:
        pass


def require_allowed(upstream: Upstream, text: str) -> None:
    """Raises AddressRefused. ``text`` is an address as a resolver writes it."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if is_forbidden(address):
        raise AddressRefused(f"{upstream.host} leads to {address}, which no upstream may have")
    if is_private(address) and not upstream.private:
        raise AddressRefused(
            f"{upstream.host} leads to the private address {address}, which it did not when the upstream was added: "
            "set the upstream's `private` if it may lead there"
        )


def require_allowed_literal(upstream: Upstream) -> None:
    """The same for a base URL with an address instead of a name: no resolver sees it. Raises AddressRefused."""
    address = literal_address(upstream.host)
    if address is not None:
        require_allowed(upstream, str(address))


async def leads_to_private(host: str) -> bool:
    """Whether an operator's host is in a private network or on this machine; False if it can't be resolved."""
    address = literal_address(host)
    if address is not None:
        return is_private(address)
    try:
        entries = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(is_private(ipaddress.ip_address(str(entry[4][0]).partition("%")[0])) for entry in entries)
