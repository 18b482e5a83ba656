"""What a key makes or changes never exceeds what the key itself may: its scopes, models, addresses and time."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, forbidden
from aquilon.people.identity import KEY_SCOPES, Principal
from aquilon.people.scope import Scope
from aquilon.people.store import api_keys
from aquilon.people.tables import ApiKey

BEYOND_OWN_LIMITS = "beyond_own_limits"


@dataclass(frozen=True)
class Bounds:
    """None is no bound."""

    scopes: Collection[str] = KEY_SCOPES
    models: Collection[str] | None = None
    addresses: Sequence[str] | None = None
    """Networks, as they are stored."""
    expires_at: int | None = None

    @classmethod
    def of_key(cls, key: ApiKey) -> Bounds:
        return cls(key.scopes, key.allowed_models, key.allowed_addresses, key.expires_at)

    def exceeding(self, wanted: Bounds) -> dict[str, str]:
        """By field of a key, what of ``wanted`` these bounds don't allow, and what they do."""
        found = {}
        if beyond := set(wanted.scopes) - set(self.scopes):
            found["scopes"] = f"it hasn't got {', '.join(sorted(beyond))}"
        if self.models is not None and (wanted.models is None or set(wanted.models) - set(self.models)):
            found["allowed_models"] = f"its models are {', '.join(sorted(self.models)) or 'none'}"
        if self.addresses is not None and not _within(wanted.addresses, self.addresses):
            found["allowed_addresses"] = f"its addresses are {', '.join(self.addresses) or 'none'}"
        if self.expires_at is not None and (wanted.expires_at is None or wanted.expires_at > self.expires_at):
            found["expires_at"] = f"it expires at {datetime.fromtimestamp(self.expires_at, UTC):%Y-%m-%d %H:%M} (UTC)"
        return found


async def bounds_of(session: AsyncSession, principal: Principal) -> Bounds:
    """Those of the key that the caller came with; none for a person who is signed in, and for the operator."""
    if principal.api_key_id is None:
        return Bounds(principal.scopes)
    key = await api_keys.api_key_by_id(session, Scope.of_organization(principal), principal.api_key_id)
    addresses = None if key is None else key.allowed_addresses
    return Bounds(principal.scopes, principal.allowed_models, addresses, principal.expires_at)


def refuse_beyond(exceeding: dict[str, str]) -> None:
    """Raises ApiError 403 where a key was asked to give what it hasn't got."""
    for param, has in exceeding.items():
        code = "scope_missing" if param == "scopes" else BEYOND_OWN_LIMITS
        raise ApiError(
            403, "permission_error", f"An API key can't give what it hasn't got: {has}", param=param, code=code
        )


def refuse_loosening(principal: Principal, what: str, scope: str, scope_id: str, *, loosens: bool) -> None:
    """Raises ApiError 403 where a key loosens its own budget or limit."""
    if loosens and scope == "key" and scope_id == principal.api_key_id:
        raise forbidden(
            f"An API key can't loosen or remove its own {what}: ask with another key, or signed in",
            code=BEYOND_OWN_LIMITS,
        )


def _within(wanted: Sequence[str] | None, allowed: Sequence[str]) -> bool:
    if wanted is None:
        return False
    networks = [ipaddress.ip_network(each) for each in allowed]
    return all(
        any(
            inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
            for outer in networks
        )
        for inner in map(ipaddress.ip_network, wanted)
    )
