"""Whose word on a client's address is taken: proxies that the operator named."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable

from starlette.requests import HTTPConnection

FORWARDING_HEADERS = ("x-forwarded-for", "forwarded", "x-real-ip")
"""What a proxy adds to a request that it passes on."""


class TrustedProxies(Container[str]):
    """Addresses and networks; `Settings` has checked them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(name, strict=False) for name in names]

    def __contains__(self, address: object) -> bool:
        if not self._networks or not isinstance(address, str):
            return False
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)


def was_forwarded(connection: HTTPConnection) -> bool:
    """Whether a request says that a proxy passed it on, trusted or not."""
    return any(name in connection.headers for name in FORWARDING_HEADERS)
