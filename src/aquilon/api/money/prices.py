"""Prices of tokens: everybody reads ``/v1/organization/prices``, the operator sets ``/v1/server/prices``."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import refused
from aquilon.money.administration import prices
from aquilon.money.prices import MOST_CENTS, Period, Price, PriceList

routes = Routes("/v1", tag="prices")

MAX_PERIODS = 100

Cents = Annotated[int, Field(ge=0, le=MOST_CENTS)]
Moment = Annotated[int, Field(ge=0, le=2**40)]


class PriceRequest(OwnFields):
    """Prices are cents for a million tokens."""

    input: Cents
    cached_input: Cents | None = Field(
        None, description="The price of prompt tokens in the prefix cache; `input` if null."
    )
    output: Cents
    batch_discount: int = Field(0, ge=0, le=100, description="The discount for requests of batch jobs, in percent.")
    training: Cents = Field(0, description="The price of tokens that fine-tuning trains on.")
    starts_at: Moment | None = Field(None, description="When the price starts, in seconds since 1970; now if null.")


class PeriodRequest(PriceRequest):
    ends_at: Moment | None = Field(
        None, description="The first second after the price; null if it holds until the next one starts."
    )


class PriceListRequest(OwnFields):
    periods: list[PeriodRequest] = Field(min_length=1, max_length=MAX_PERIODS)


class PriceBody(msgspec.Struct, frozen=True, kw_only=True):
    """Prices are cents for a million tokens. A price holds until the model's next one starts."""

    id: str
    starts_at: int
    input: int
    cached_input: int
    output: int
    batch_discount: int
    """In percent."""
    training: int
    """For tokens that fine-tuning trains on."""
    holds: bool
    """Whether the price holds now."""


class ModelPrices(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "model.prices"
    model: str
    prices: list[PriceBody]
    """The prices, oldest first."""


class ModelPricesList(ListOf[ModelPrices], frozen=True, kw_only=True):
    currency: str
    """A model that isn't in the list is free."""


@routes.get(
    "/organization/prices",
    "List the prices of tokens, by model",
    answer=ModelPricesList,
    says="The past, present and planned prices of each model.",
)
async def list_prices(request: Request, caller: Caller) -> Response:
    price_lists = await prices.price_lists(services(request).database)
    return json_answer(
        ModelPricesList(
            currency=services(request).settings.currency,
            data=[_body(price_lists[model]) for model in sorted(price_lists) if caller.may_use(model)],
        )
    )


@routes.post(
    "/server/prices/{model:path}",
    "Set a model's price from a moment on; earlier usage keeps its price",
    request=PriceRequest,
    answer=ModelPrices,
    says="The model's prices.",
)
async def set_price(request: Request, caller: Caller, model: str) -> Response:
    fields = await read_body(request, PriceRequest)
    database = services(request).database
    try:
        await prices.set_price(database, caller, model, price=_price(fields))
    except ValueError as error:
        raise refused(error) from None
    return json_answer(_body((await prices.price_lists(database))[model]))


@routes.put(
    "/server/prices/{model:path}",
    "Replace a model's planned prices with a list",
    request=PriceListRequest,
    answer=ModelPrices,
    says="The model's prices.",
)
async def set_price_list(request: Request, caller: Caller, model: str) -> Response:
    fields = await read_body(request, PriceListRequest)
    database = services(request).database
    try:
        periods = [Period(_price(period), period.ends_at) for period in fields.periods]
        await prices.set_price_list(database, caller, model, periods=periods)
    except ValueError as error:
        raise refused(error, param="periods") from None
    return json_answer(_body((await prices.price_lists(database))[model]))


def _price(fields: PriceRequest) -> Price:
    return Price(
        int(time.time()) if fields.starts_at is None else fields.starts_at,
        input=fields.input,
        cached_input=fields.input if fields.cached_input is None else fields.cached_input,
        output=fields.output,
        batch_discount=fields.batch_discount,
        training=fields.training,
    )


def _body(history: PriceList) -> ModelPrices:
    holding = history.at(int(time.time()))
    return ModelPrices(
        model=history.model,
        prices=[
            PriceBody(
                id=price.id,
                starts_at=price.starts_at,
                input=price.input,
                cached_input=price.cached_input,
                output=price.output,
                batch_discount=price.batch_discount,
                training=price.training,
                holds=price is holding,
            )
            for price in history.prices
        ],
    )
