"""A month's statement of an organization."""

from __future__ import annotations

import time
from decimal import Decimal

from aquilon.money.statements import Month, Statement, StatementLine, added_up
from aquilon.money.store.usage import totals
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import accounts
from aquilon.settings import Settings
from aquilon.storage import Database


async def statement(database: Database, settings: Settings, principal: Principal, *, month: Month) -> Statement:
    """Make a statement from the daily totals, which are never pruned. Raises ApiError 403."""
    require(principal, "usage.read")
    async with database.reading() as session:
        rows = await totals(
            session,
            Scope.of_organization(principal),
            span="day",
            since=month.starts_at,
            until=month.ends_at,
            by=("workspace", "model"),
        )
        organization = await accounts.organization_by(session, principal.organization_id)
    assert organization is not None
    basis_points = organization.vat_basis_points
    return Statement(
        number=f"{month.name}-{principal.organization_id.removeprefix('org_')[:8].upper()}",
        seller=settings.seller,
        customer=principal.organization_name,
        customer_vat_number=organization.vat_number or "",
        month=month,
        final=time.time() >= month.ends_at,
        currency=settings.currency,
        vat_percent=settings.vat_percent if basis_points is None else Decimal(basis_points) / 100,
        lines=added_up(
            StatementLine(
                workspace=row.workspace or "",
                model=row.model or "",
                requests=row.requests,
                prompt_tokens=row.prompt_tokens,
                cached_tokens=row.cached_tokens,
                completion_tokens=row.completion_tokens,
                cost=row.cost,
            )
            for row in rows
        ),
    )
