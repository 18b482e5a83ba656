"""A key can't grant another key more than it has itself: scopes, models, addresses and time."""

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


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The limits of a key; None is no limit."""

    scopes: Collection[str] = KEY_SCOPES
    allowed_models: Collection[str] | None = None
    allowed_addresses: Sequence[str] | None = None
    """Networks, as they are stored."""
    expires_at: int | None = None

    @classmethod
    def of_key(cls, key: ApiKey) -> Bounds:
        return cls(
            scopes=key.scopes,
            allowed_models=key.allowed_models,
            allowed_addresses=key.allowed_addresses,
            expires_at=key.expires_at,
        )

    def exceeding(self, requested: Bounds) -> dict[str, str]:
        """The fields in which ``requested`` exceeds these bounds, each with a text that says what they allow."""
        exceeded = {}
        if beyond := set(requested.scopes) - set(self.scopes):
            exceeded["scopes"] = f"it doesn't have {', '.join(sorted(beyond))}"
        if self.allowed_models is not None and (
            requested.allowed_models is None or set(requested.allowed_models) - set(self.allowed_models)
        ):
            exceeded["allowed_models"] = f"its models are {', '.join(sorted(self.allowed_models)) or 'none'}"
        if self.allowed_addresses is not None and not _within(requested.allowed_addresses, self.allowed_addresses):
            exceeded["allowed_addresses"] = f"its addresses are {', '.join(self.allowed_addresses) or 'none'}"
        if self.expires_at is not None and (requested.expires_at is None or requested.expires_at > self.expires_at):
            exceeded["expires_at"] = (
                f"it expires at {datetime.fromtimestamp(self.expires_at, UTC):%Y-%m-%d %H:%M} (UTC)"
            )
        return exceeded


async def bounds_of(session: AsyncSession, principal: Principal) -> Bounds:
    """The bounds of the caller's key; a signed-in person and the operator are bound by no key."""
    if principal.api_key_id is None:
        return Bounds(scopes=principal.scopes)
    key = await api_keys.api_key_by_id(session, Scope.of_organization(principal), principal.api_key_id)
    addresses = None if key is None else key.allowed_addresses
    return Bounds(
        scopes=principal.scopes,
        allowed_models=principal.allowed_models,
        allowed_addresses=addresses,
        expires_at=principal.expires_at,
    )


def refuse_beyond(exceeding: dict[str, str]) -> None:
    """Raises ApiError 403 if a key tries to grant more than it has; ``exceeding`` is from `Bounds.exceeding`."""
    for param, allowed in exceeding.items():
        code = "scope_missing" if param == "scopes" else BEYOND_OWN_LIMITS
        raise ApiError(
            403, "permission_error", f"An API key can't grant more than it has: {allowed}", param=param, code=code
        )


def refuse_loosening(principal: Principal, kind: str, scope: str, *, scope_id: str, loosens: bool) -> None:
    """Raises ApiError 403 if a key loosens its own ``kind``: a budget or limit."""
    if loosens and scope == "key" and scope_id == principal.api_key_id:
        raise forbidden(
            f"An API key can't loosen or remove its own {kind}: use another key, or sign in",
            code=BEYOND_OWN_LIMITS,
        )


def _within(requested: Sequence[str] | None, allowed: Sequence[str]) -> bool:
    if requested is None:
        return False
    networks = [ipaddress.ip_network(network) for network in allowed]
    return all(
        any(
            inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
            for outer in networks
        )
        for inner in map(ipaddress.ip_network, requested)
    )
