"""The proxies that the operator trusts to report a client's address."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable

from starlette.requests import HTTPConnection

FORWARDING_HEADERS = ("x-forwarded-for", "forwarded", "x-real-ip")
"""Headers that a proxy adds to a request that it passes on."""


class TrustedProxies(Container[str]):
    """A set of addresses, given as addresses and networks that `Settings` has checked."""

    def __init__(self, names: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(name, strict=False) for name in names]

    def __contains__(self, address: object) -> bool:
        if not self._networks or not isinstance(address, str):
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def was_forwarded(connection: HTTPConnection) -> bool:
    """Whether a request says that a proxy passed it on, trusted or not."""
    return any(name in connection.headers for name in FORWARDING_HEADERS)
