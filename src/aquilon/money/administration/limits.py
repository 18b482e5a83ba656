"""Limits of requests and tokens: who may set them, and who sees them."""

from __future__ import annotations

from dataclasses import dataclass

from aquilon.errors import forbidden
from aquilon.money.administration.subjects import may_see, own_subjects, subject, subject_name
from aquilon.money.limits import MOST, Limit
from aquilon.money.store import limits
from aquilon.people.administration.access import no_such
from aquilon.people.administration.key_bounds import refuse_loosening
from aquilon.people.identity import Principal
from aquilon.people.permissions import permits, require, require_scope
from aquilon.people.scope import Scope
from aquilon.people.store import audit
from aquilon.storage import Database


@dataclass(frozen=True)
class NamedLimit:
    limit: Limit
    name: str
    """Of whose it is."""


async def list_limits(database: Database, principal: Principal) -> list[NamedLimit]:
    """All of the organization's for those who read its usage; else those of one's own keys and of one's workspaces.

    Raises ApiError 403 for a key that isn't for usage.
    """
    require_scope(principal, "usage.read")
    async with database.reading() as session:
        found = await limits.limits(session, Scope.of_organization(principal))
        if not permits(principal.role, None, "usage.read"):
            seen = await own_subjects(session, principal)
            found = [limit for limit in found if limit.scope_id in seen]
        return [NamedLimit(limit, await subject_name(session, principal, limit)) for limit in found]


async def get_limit(database: Database, principal: Principal, limit_id: str) -> NamedLimit:
    """One of those that `list_limits` gives. Raises ApiError 403 or 404."""
    require_scope(principal, "usage.read")
    async with database.reading() as session:
        found = await limits.limit_by_id(session, Scope.of_organization(principal), limit_id)
        if found is None or not await may_see(session, principal, found):
            raise no_such("limit", limit_id)
        return NamedLimit(found, await subject_name(session, principal, found))


async def set_limit(
    database: Database,
    principal: Principal,
    *,
    workspace: str | None = None,
    key: str | None = None,
    model: str = "",
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    parallel_requests: int | None,
) -> NamedLimit:
    """For a workspace (name or id), a key (id or prefix), or else the whole organization; in place of what was.

    An organization's own the operator alone sets. Raises ApiError 403 or 404,
    LookupError for an unknown key, ValueError for numbers that won't do.
    """
    require(principal, "keys.manage")
    if key is None and workspace is None:
        _require_operating(principal)
    numbers = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "parallel_requests": parallel_requests,
    }
    if all(number is None for number in numbers.values()):
        raise ValueError(f"A limit needs one number at least: {', '.join(numbers)}. Remove it to have none")
    for unit, number in numbers.items():
        if number is not None and not 0 <= number <= MOST:
            raise ValueError(f"{unit} is {number}; it goes from 0 to {MOST}")
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        what, scope_id = await subject(session, principal, workspace=workspace, key=key)
        former = await limits.limit_of(session, scope, what, scope_id, model)
        loosens = former is not None and former.is_loosened_by(numbers)
        refuse_loosening(principal, "limit", what, scope_id=scope_id, loosens=loosens)
        limit = await limits.set_limit(session, scope, what, scope_id, model, **numbers)
        name = await subject_name(session, principal, limit)
        await audit.record(
            session,
            principal,
            "limit.set",
            object_id=limit.id,
            object_name=name,
            scope=what,
            model=model or None,
            **numbers,
        )
        return NamedLimit(limit, name)


async def remove_limit(database: Database, principal: Principal, limit_id: str) -> None:
    """Raises ApiError 403 or 404."""
    require(principal, "keys.manage")
    async with database.writing(alone=True) as session:
        removed = await limits.remove_limit(session, Scope.of_organization(principal), limit_id)
        if removed is None:
            raise no_such("limit", limit_id)
        if removed.scope == "organization":
            _require_operating(principal)
        refuse_loosening(principal, "limit", removed.scope, scope_id=removed.scope_id, loosens=True)
        name = await subject_name(session, principal, removed)
        await audit.record(
            session, principal, "limit.removed", object_id=limit_id, object_name=name, model=removed.model or None
        )


def _require_operating(principal: Principal) -> None:
    if not principal.operates:
        raise forbidden(
            "Only the organization that runs this server sets an organization's limits; set those of workspaces and "
            "keys within it",
            code="not_the_operator",
        )
