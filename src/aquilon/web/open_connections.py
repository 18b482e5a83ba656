"""Counts open connections, in all and by address, and refuses a new one above the limits."""

from __future__ import annotations

import ipaddress
import resource
from collections import Counter
from collections.abc import Container

from aquilon.people.proxies import TrustedProxies
from aquilon.settings import Settings

_MOST_RESERVED = 256
"""File descriptors kept for the database, files and upstreams; at most a quarter of the process's limit."""
_ENOUGH_DESCRIPTORS = 10_240
"""The limit that is requested if the system has none; the kernel may still have one."""


class OpenConnections:
    """The limit by address doesn't apply to trusted proxies, each of which stands for many clients."""

    def __init__(self, settings: Settings) -> None:
        self.head_seconds = settings.head_seconds
        self._most = settings.max_connections
        self._most_by_address = settings.max_connections_by_address
        self._proxies: Container[str] = TrustedProxies(settings.trusted_proxies)
        self._by_network: Counter[str] = Counter()
        self._open = 0

    def enter(self, address: str, descriptor: int) -> str | None:
        """Count a new connection and return None, or return the reason why there is no room for it."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        usable = limit - _reserved(limit)
        if descriptor >= usable:
            return f"{usable} of this process's {limit} file descriptors are in use (see `ulimit -n`)"
        if self._open >= self._most:
            return f"{self._most} connections are open, the most at once (AQUILON_MAX_CONNECTIONS)"
        network, most = network_of(address), min(self._most_by_address, usable // 2)
        if self._by_network[network] >= most and address not in self._proxies:
            return f"{most} connections are open from its address (AQUILON_MAX_CONNECTIONS_BY_ADDRESS)"
        self._open += 1
        self._by_network[network] += 1
        return None

    def leave(self, address: str) -> None:
        """To be called once when a counted connection ends."""
        network = network_of(address)
        self._open -= 1
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]


def nearly_exhausted(descriptor: int) -> bool:
    """Whether so few descriptors are left that a refused client gets no answer."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return descriptor >= limit - _reserved(limit) // 2


def raise_descriptor_limit() -> None:
    """Raise the limit on file descriptors as far as the system allows; each client and upstream takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(soft, _ENOUGH_DESCRIPTORS) if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def network_of(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address, which one household or machine has to itself."""
    if ":" not in address:
        return address
    try:
        ipv6 = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipv6.ipv4_mapped) if ipv6.ipv4_mapped else str(ipaddress.ip_network((int(ipv6), 64), strict=False))


def _reserved(limit: int) -> int:
    return min(_MOST_RESERVED, limit // 4)
