"""Setting and listing the quotas of persons, and reading one's own."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import forbidden
from aquilon.money.budgets import period_end
from aquilon.money.limits import MOST
from aquilon.money.person_quotas import UNITS, Allowance, PersonQuota, QuotaPeriod, allowances
from aquilon.money.store import person_quotas
from aquilon.money.store.budgets import spending
from aquilon.people.administration.access import no_such, user_for, workspace_for
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, audit, workspaces
from aquilon.storage import Database


@dataclass(frozen=True, kw_only=True)
class NamedQuota:
    quota: PersonQuota
    workspace: str | None
    """The workspace's name; None for all together."""
    person: str | None
    """Whose exception it is; None for everybody without one."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    allowance: Allowance
    used: int
    resets_at: int


async def own(database: Database, principal: Principal, moment: int | None = None) -> list[Standing]:
    """What the caller may use, and has used, in the present day and month; the scarcest first."""
    now = int(time.time()) if moment is None else moment
    scope = Scope(principal.organization_id)
    async with database.reading() as session:
        applying = allowances(await person_quotas.quotas(session, scope), principal)
        used = await spending(session, scope, [allowance.line(now) for allowance in applying])
    standings = [
        Standing(
            allowance=allowance,
            used=used[allowance.line(now)],
            resets_at=period_end(allowance.quota.period, now) or 0,
        )
        for allowance in applying
    ]
    return sorted(standings, key=lambda each: -each.used / max(1, each.allowance.limit))


async def visible(database: Database, principal: Principal) -> list[NamedQuota]:
    """All quotas and exceptions. Raises ApiError 403."""
    require(principal, "members.manage")
    async with database.reading() as session:
        rows = await person_quotas.quotas(session, Scope.of_organization(principal))
        return [await _named(session, principal, quota) for quota in rows]


async def set_quota(
    database: Database,
    principal: Principal,
    period: QuotaPeriod,
    *,
    workspace: str | None = None,
    user_id: str | None = None,
    messages: int | None,
    tokens: int | None,
    cost: int | None,
) -> NamedQuota:
    """Set or replace a quota for everybody, or one person's exception, in the organization or a workspace.

    An exception without numbers lets its person use what they want. Raises ApiError 403 or 404, and ValueError for
    numbers out of bounds or a quota for everybody without numbers.
    """
    numbers = {"messages": messages, "tokens": tokens, "cost": cost}
    assert tuple(numbers) == UNITS
    if user_id is None and all(number is None for number in numbers.values()):
        raise ValueError(f"A quota needs one number at least: {', '.join(numbers)}. Remove it to have none")
    for unit, number in numbers.items():
        if number is not None and not 0 <= number <= MOST:
            raise ValueError(f"{unit} is {number}; it goes from 0 to {MOST}")
    if workspace is None:
        require(principal, "members.manage")
    async with database.writing(alone=True) as session:
        workspace_id = ""
        if workspace is not None:
            workspace_id = (await workspace_for(session, principal, workspace, action="members.manage")).id
        if user_id is not None:
            await user_for(session, principal, user_id)
            _refuse_own_exception(principal, user_id)
        quota = await person_quotas.set_quota(
            session,
            Scope.of_organization(principal),
            workspace_id=workspace_id,
            user_id=user_id or "",
            period=period,
            messages=messages,
            tokens=tokens,
            cost=cost,
        )
        named = await _named(session, principal, quota)
        await audit.record(
            session,
            principal,
            "person_quota.set",
            object_id=user_id or workspace_id or principal.organization_id,
            object_name=named.person or named.workspace or principal.organization_name,
            period=period,
            workspace_id=workspace_id or None,
            **numbers,
        )
        return named


async def remove_quota(database: Database, principal: Principal, quota_id: str) -> None:
    """Raises ApiError 403 or 404."""
    async with database.writing(alone=True) as session:
        scope = Scope.of_organization(principal)
        quota = await person_quotas.quota_by_id(session, scope, quota_id)
        if quota is None:
            require(principal, "members.manage", principal.workspace_role)
            raise no_such("quota", quota_id)
        if quota.workspace_id:
            await workspace_for(session, principal, quota.workspace_id, action="members.manage")
        else:
            require(principal, "members.manage")
        _refuse_own_exception(principal, quota.user_id)
        named = await _named(session, principal, quota)
        await person_quotas.remove_quota(session, scope, quota_id)
        await audit.record(
            session,
            principal,
            "person_quota.removed",
            object_id=quota.user_id or quota.workspace_id or principal.organization_id,
            object_name=named.person or named.workspace or principal.organization_name,
            period=quota.period,
        )


def _refuse_own_exception(principal: Principal, user_id: str) -> None:
    """An owner decides over everybody, themselves included; others don't free themselves of a quota."""
    if user_id == principal.user_id and principal.role != "owner":
        raise forbidden("Another administrator or an owner sets your own exception", code="own_quota")


async def _named(session: AsyncSession, principal: Principal, quota: PersonQuota) -> NamedQuota:
    scope = Scope.of_organization(principal)
    user = await accounts.user_by_id(session, scope, quota.user_id) if quota.user_id else None
    workspace = await workspaces.workspace_by(session, scope, quota.workspace_id) if quota.workspace_id else None
    return NamedQuota(
        quota=quota,
        workspace=(workspace.name if workspace is not None else quota.workspace_id) or None,
        person=(user.name if user is not None else quota.user_id) or None,
    )
