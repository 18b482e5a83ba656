"""Setting and listing limits of requests and tokens."""

from __future__ import annotations

from dataclasses import dataclass

from aquilon.errors import Refusal, forbidden
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
    """The subject's name."""


async def list_limits(database: Database, principal: Principal) -> list[NamedLimit]:
    """All limits of the organization if the caller may read its usage, otherwise those that `own_subjects` names.

    Raises ApiError 403 for a key without the scope ``usage.read``.
    """
    require_scope(principal, "usage.read")
    async with database.reading() as session:
        visible = await limits.limits(session, Scope.of_organization(principal))
        if not permits(principal.role, None, "usage.read"):
            subject_ids = await own_subjects(session, principal)
            visible = [limit for limit in visible if limit.subject_id in subject_ids]
        return [NamedLimit(limit, await subject_name(session, principal, limit)) for limit in visible]


async def get_limit(database: Database, principal: Principal, limit_id: str) -> NamedLimit:
    """One of the limits that `list_limits` returns. Raises ApiError 403 or 404."""
    require_scope(principal, "usage.read")
    async with database.reading() as session:
        limit = await limits.limit_by_id(session, Scope.of_organization(principal), limit_id)
        if limit is None or not await may_see(session, principal, limit):
            raise no_such("limit", limit_id)
        return NamedLimit(limit, await subject_name(session, principal, limit))


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
    """Set or replace the limit of a workspace (name or id), of a key (id or prefix), or of the whole organization.

    Only the operator sets an organization's limit. Raises ApiError 403 or 404,
    LookupError for an unknown key, ValueError for invalid numbers.
    """
    require(principal, "keys.manage")
    if key is None and workspace is None:
        _require_operator(principal)
    numbers = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "parallel_requests": parallel_requests,
    }
    if all(number is None for number in numbers.values()):
        raise Refusal(
            f"At least one of {', '.join(numbers)} needs a number; remove the limit to have none", code="limit_empty"
        )
    for unit, number in numbers.items():
        if number is not None and not 0 <= number <= MOST:
            raise Refusal(
                f"{unit} is {number}; it goes from 0 to {MOST}",
                code="out_of_range",
                values={"field": unit, "value": number, "least": 0, "most": MOST},
            )
    scope = Scope.of_organization(principal)
    async with database.writing(alone=True) as session:
        kind, subject_id = await subject(session, principal, workspace=workspace, key=key)
        former = await limits.limit_of(session, scope, subject_kind=kind, subject_id=subject_id, model=model)
        loosens = former is not None and former.is_loosened_by(numbers)
        refuse_loosening(principal, "limit", kind, scope_id=subject_id, loosens=loosens)
        limit = await limits.set_limit(session, scope, subject_kind=kind, subject_id=subject_id, model=model, **numbers)
        name = await subject_name(session, principal, limit)
        await audit.record(
            session,
            principal,
            "limit.set",
            object_id=limit.id,
            object_name=name,
            scope=kind,
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
        if removed.subject_kind == "organization":
            _require_operator(principal)
        refuse_loosening(principal, "limit", removed.subject_kind, scope_id=removed.subject_id, loosens=True)
        name = await subject_name(session, principal, removed)
        await audit.record(
            session, principal, "limit.removed", object_id=limit_id, object_name=name, model=removed.model or None
        )


def _require_operator(principal: Principal) -> None:
    if not principal.operates:
        raise forbidden(
            "Only the organization that runs this server sets an organization's limits; set those of workspaces and "
            "keys within it",
            code="not_the_operator",
        )
