"""Queries over prices. A stored price is never changed once it applies."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import Refusal
from aquilon.money.prices import Price, PriceList, day
from aquilon.money.tables import StoredPrice
from aquilon.people.secrets import new_id

_NOW_SECONDS = 60
"""A start this long ago counts as now: time passes between a command's start and its transaction."""


async def price_lists(session: AsyncSession) -> dict[str, PriceList]:
    """The price lists by model, without models that have none."""
    prices = defaultdict(list)
    for row in await session.scalars(select(StoredPrice).order_by(StoredPrice.model, StoredPrice.starts_at)):
        prices[row.model].append(
            Price(
                row.starts_at,
                input=row.input,
                cached_input=row.cached_input,
                output=row.output,
                batch_discount=row.batch_discount,
                training=row.training,
                id=row.id,
            )
        )
    return {model: PriceList(model, of_model) for model, of_model in prices.items()}


async def set_price(session: AsyncSession, model: str, price: Price) -> Price:
    """Add a price that applies from its start on; it replaces a future price with the same start.

    Raises ValueError for a start in the past, since requests have been paid at the price of then.
    """
    now = int(time.time())
    if price.starts_at < now - _NOW_SECONDS:
        raise Refusal(
            f"A price can't start on {day(price.starts_at)}, in the past: requests since then were counted with the "
            "price that held. Let it start now or later",
            code="price_in_past",
            values={"from": day(price.starts_at)},
        )
    return await _store(session, model, price, now=now)


async def set_price_list(session: AsyncSession, prices: PriceList) -> PriceList:
    """Replace a model's future prices with a list; present and past prices stay.

    Raises ValueError if the list starts in the past.
    """
    now = int(time.time())
    if prices.prices[0].starts_at < now - _NOW_SECONDS:
        raise Refusal(
            f"The price list of '{prices.model}' starts on {day(prices.prices[0].starts_at)}, in the past: let its "
            "first price start now or later",
            code="price_in_past",
            values={"from": day(prices.prices[0].starts_at)},
        )
    await session.execute(delete(StoredPrice).where(StoredPrice.model == prices.model, StoredPrice.starts_at > now))
    return PriceList(prices.model, [await _store(session, prices.model, price, now=now) for price in prices.prices])


async def _store(session: AsyncSession, model: str, price: Price, *, now: int) -> Price:
    starts_at = max(price.starts_at, now)
    present = select(StoredPrice.id).where(StoredPrice.model == model, StoredPrice.starts_at == now)
    if starts_at == now and await session.scalar(present) is not None:
        starts_at += 1  # requests of this second are paid at the present price
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
            training=stored.training,
            created_at=now,
        )
    )
    await session.flush()
    return stored
