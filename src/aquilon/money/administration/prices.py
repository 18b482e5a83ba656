"""Prices: everybody may read them, only the organization that runs the server sets them."""

from __future__ import annotations

from collections.abc import Sequence

from aquilon.money.prices import Period, Price, PriceList
from aquilon.money.store import prices
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit
from aquilon.storage import Database


async def price_lists(database: Database) -> dict[str, PriceList]:
    """The price lists by model."""
    async with database.reading() as session:
        return await prices.price_lists(session)


async def set_price(database: Database, principal: Principal, model: str, *, price: Price) -> Price:
    """Set a price from its start on. Raises ApiError 403, ValueError for a start in the past."""
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
            **_rates(price),
        )
        return stored


async def set_price_list(
    database: Database, principal: Principal, model: str, *, periods: Sequence[Period]
) -> PriceList:
    """Replace a model's future prices. Raises ApiError 403, ValueError if the list has gaps or overlaps."""
    require_operator(principal)
    price_list = PriceList.of_periods(model, periods)
    async with database.writing(alone=True) as session:
        stored = await prices.set_price_list(session, price_list)
        entries = [{"starts_at": price.starts_at, **_rates(price)} for price in stored.prices]
        await audit.record(session, principal, "price_list.set", object_id=model, object_name=model, prices=entries)
        return stored


def _rates(price: Price) -> dict[str, int]:
    return {
        "input": price.input,
        "cached_input": price.cached_input,
        "output": price.output,
        "batch_discount": price.batch_discount,
        "training": price.training,
    }
