"""Prices: everybody may read them, the organization that runs the server sets them."""

from __future__ import annotations

from collections.abc import Sequence

from aquilon.money.prices import Period, Price, PriceList
from aquilon.money.store import prices
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit
from aquilon.storage import Database


async def price_lists(database: Database) -> dict[str, PriceList]:
    """By model."""
    async with database.reading() as session:
        return await prices.price_lists(session)


async def set_price(database: Database, principal: Principal, model: str, price: Price) -> Price:
    """Raises ApiError 403, ValueError for a start in the past."""
    require_operator(principal)
    async with database.writing(alone=True) as session:
        stored = await prices.set_price(session, model, price)
        await audit.record(
            session,
            principal,
            "price.set",
            object_id=stored.id,
            object_name=model,
            starts_at=stored.starts_at,
            **_told(price),
        )
        return stored


async def set_price_list(database: Database, principal: Principal, model: str, periods: Sequence[Period]) -> PriceList:
    """Put a list in the place of what was to come. Raises ApiError 403, ValueError for one with gaps or overlaps."""
    require_operator(principal)
    wanted = PriceList.of_periods(model, periods)
    async with database.writing(alone=True) as session:
        stored = await prices.set_price_list(session, wanted)
        told = [{"starts_at": price.starts_at, **_told(price)} for price in stored.prices]
        await audit.record(session, principal, "price_list.set", object_id=model, object_name=model, prices=told)
        return stored


def _told(price: Price) -> dict[str, int]:
    return {
        "input": price.input,
        "cached_input": price.cached_input,
        "output": price.output,
        "batch_discount": price.batch_discount,
    }
