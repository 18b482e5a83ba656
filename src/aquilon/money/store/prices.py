"""Price lists as they are stored: each price with its start, never changed once it holds."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.prices import Price, PriceList, day
from aquilon.money.tables import StoredPrice
from aquilon.people.secrets import new_id

_NOW_SECONDS = 60
"""So long ago is still now: between a command's start and its transaction."""


async def price_lists(session: AsyncSession) -> dict[str, PriceList]:
    """Every model's list that has one, by the model's name."""
    found = defaultdict(list)
    for row in await session.scalars(select(StoredPrice).order_by(StoredPrice.model, StoredPrice.starts_at)):
        found[row.model].append(
            Price(row.starts_at, row.input, row.cached_input, row.output, row.batch_discount, row.id)
        )
    return {model: PriceList(model, prices) for model, prices in found.items()}


async def set_price(session: AsyncSession, model: str, price: Price) -> Price:
    """Add a price that holds from its start on, in place of one that would start at the same moment to come.

    Raises ValueError for a start in the past: requests were paid by what held then.
    """
    now = int(time.time())
    if price.starts_at < now - _NOW_SECONDS:
        raise ValueError(
            f"A price can't start on {day(price.starts_at)}, in the past: requests since then were counted with the "
            "price that held. Let it start now or later"
        )
    return await _store(session, model, price, now)


async def set_price_list(session: AsyncSession, prices: PriceList) -> PriceList:
    """Put a whole list in the place of what was to come; what holds now or held before stays.

    Raises ValueError where the list starts in the past.
    """
    now = int(time.time())
    if prices.prices[0].starts_at < now - _NOW_SECONDS:
        raise ValueError(
            f"The price list of '{prices.model}' starts on {day(prices.prices[0].starts_at)}, in the past: let its "
            "first price start now or later"
        )
    await session.execute(delete(StoredPrice).where(StoredPrice.model == prices.model, StoredPrice.starts_at > now))
    return PriceList(prices.model, [await _store(session, prices.model, price, now) for price in prices.prices])


async def _store(session: AsyncSession, model: str, price: Price, now: int) -> Price:
    starts_at = max(price.starts_at, now)
    holding = select(StoredPrice.id).where(StoredPrice.model == model, StoredPrice.starts_at == now)
    if starts_at == now and await session.scalar(holding) is not None:
        starts_at += 1  # requests of this second were paid by the one that holds
    stored = replace(price, id=new_id("price"), starts_at=starts_at)
    await session.execute(delete(StoredPrice).where(StoredPrice.model == model, StoredPrice.starts_at == starts_at))
    session.add(
        StoredPrice(
            id=stored.id,
            model=model,
            starts_at=stored.starts_at,
            input=stored.input,
            cached_input=stored.cached_input,
            output=stored.output,
            batch_discount=stored.batch_discount,
            created_at=now,
        )
    )
    await session.flush()
    return stored
