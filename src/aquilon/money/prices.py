"""What tokens cost: a model's dated prices, and exact arithmetic in millionths of a cent.

A price is a whole number of cents for a million tokens, hence the same number of
millionths of a cent for one token. A cost is a sum of whole products, and only a
statement rounds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from itertools import pairwise

from aquilon.errors import Refusal
from aquilon.money.usage_event import Usage

MILLIONTHS_A_CENT = 1_000_000
MOST_CENTS = 10**9
"""The highest price of a million tokens: a period's sum stays far below 64 bits."""


@dataclass(frozen=True)
class Price:
    """Cents for a million tokens of one model, from ``starts_at`` on. Raises ValueError if a cost were not whole."""

    starts_at: int
    """The first second at which the price applies, since 1970."""
    _: KW_ONLY
    input: int
    cached_input: int
    """For prompt tokens that the prefix cache had."""
    output: int
    batch_discount: int = 0
    """Percent off for a request of a batch job."""
    training: int = 0
    """For tokens that fine-tuning trains on."""
    id: str = ""

    def __post_init__(self) -> None:
        for name, cents in (*self.rates.items(), ("training", self.training)):
            if not 0 <= cents <= MOST_CENTS:
                raise Refusal(
                    f"The {name} price is {cents} cents for a million tokens; it goes from 0 to {MOST_CENTS}",
                    code="price_out_of_range",
                    values={"most": MOST_CENTS},
                )
        if self.cached_input > self.input:
            raise Refusal(
                f"A cached input token would cost more ({self.cached_input} cents for a million) than one that is "
                f"computed ({self.input}): set the cached price to {self.input} or less",
                code="cached_price_too_high",
                values={"most": self.input},
            )
        if not 0 <= self.batch_discount <= 100:
            raise Refusal(
                f"The batch discount is {self.batch_discount} percent; it goes from 0 to 100",
                code="out_of_range",
                values={"field": "batch_discount", "value": self.batch_discount, "least": 0, "most": 100},
            )
        for name, cents in self.rates.items():
            if cents * (100 - self.batch_discount) % 100:
                raise Refusal(
                    f"A batch discount of {self.batch_discount} percent makes the {name} price "
                    f"{cents * (100 - self.batch_discount) / 100:g} cents for a million tokens, which is not a whole "
                    "number of cents: nothing is rounded here, choose a price or a discount that comes out whole",
                    code="price_not_whole",
                    values={"percent": self.batch_discount},
                )

    @property
    def rates(self) -> dict[str, int]:
        return {"input": self.input, "cached input": self.cached_input, "output": self.output}

    def cost(self, usage: Usage) -> int:
        """Millionths of a cent. ``usage.cached_tokens`` are some of its prompt tokens."""
        computed = usage.prompt_tokens - usage.cached_tokens
        return computed * self.input + usage.cached_tokens * self.cached_input + usage.completion_tokens * self.output

    def in_batch(self) -> Price:
        """The price of a request in a batch job: each rate after the discount, exact."""
        full = 100 - self.batch_discount
        return Price(
            self.starts_at,
            input=self.input * full // 100,
            cached_input=self.cached_input * full // 100,
            output=self.output * full // 100,
            id=self.id,
        )

    def of_training(self) -> Price:
        """The price of a fine-tuning job, whose usage counts the tokens that it trained on as prompt tokens."""
        return Price(self.starts_at, input=self.training, cached_input=self.training, output=0, id=self.id)


FREE = Price(0, input=0, cached_input=0, output=0)
"""The price of a model for which none is set."""


@dataclass(frozen=True)
class Period:
    """A price of a list that is to be set, perhaps with an end."""

    price: Price
    ends_at: int | None = None
    """The first second at which the price no longer applies."""


class PriceList:
    """The prices of one model, in order. Each applies until the next one starts, the last one without end."""

    def __init__(self, model: str, prices: Iterable[Price]) -> None:
        self.model = model
        self.prices = tuple(sorted(prices, key=lambda price: price.starts_at))
        self._starts = [price.starts_at for price in self.prices]

    @classmethod
    def of_periods(cls, model: str, periods: Iterable[Period]) -> PriceList:
        """Raises ValueError if periods overlap, or leave a time without a price between them or at the end."""
        ordered = sorted(periods, key=lambda period: period.price.starts_at)
        if not ordered:
            raise Refusal(f"The price list of '{model}' is empty", code="price_list_empty")
        for period, after in pairwise(ordered):
            ends, starts = period.ends_at, after.price.starts_at
            if period.price.starts_at == starts:
                raise Refusal(
                    f"The price list of '{model}' has two prices from {day(starts)}",
                    code="price_periods_overlap",
                    values={"from": day(starts)},
                )
            if ends is not None and ends < starts:
                raise Refusal(
                    f"The price list of '{model}' has a gap: no price from {day(ends)} to {day(starts)}. Let the "
                    "earlier price hold until the later one starts",
                    code="price_periods_gap",
                    values={"from": day(ends)},
                )
            if ends is not None and ends > starts:
                raise Refusal(
                    f"The price list of '{model}' has two prices from {day(starts)} to {day(ends)}: end the earlier "
                    "one where the later one starts",
                    code="price_periods_overlap",
                    values={"from": day(starts)},
                )
        if (last := ordered[-1].ends_at) is not None:
            raise Refusal(
                f"The price list of '{model}' has a gap: no price from {day(last)} on. Leave the last price without "
                "an end, or say what follows it",
                code="price_periods_gap",
                values={"from": day(last)},
            )
        return cls(model, (period.price for period in ordered))

    def at(self, moment: int) -> Price | None:
        """The price at a second since 1970. None before the first price: the model is free then."""
        position = bisect_right(self._starts, moment)
        return self.prices[position - 1] if position else None


def price_list_of(model: str, price_lists: Mapping[str, PriceList]) -> PriceList | None:
    """The model's price list; a fine-tuned model, ``ft:BASE:…``, costs what its base does unless it has its own."""
    own = price_lists.get(model)
    if own is None and model.startswith("ft:"):
        return price_lists.get(model.split(":", 2)[1])
    return own


def day(moment: int) -> str:
    """A second since 1970 as a UTC date: ``2026-11-21``, with the time unless it is midnight."""
    written = datetime.fromtimestamp(moment, UTC)
    return written.strftime("%Y-%m-%d" if moment % 86_400 == 0 else "%Y-%m-%d %H:%M:%S")


def cents(millionths: int) -> str:
    """Cents, exact: ``1.5`` for 1,500,000. For error messages and headers of the API."""
    whole, rest = divmod(abs(millionths), MILLIONTHS_A_CENT)
    text = f"{whole}.{rest:06}".rstrip("0").rstrip(".")
    return f"-{text}" if millionths < 0 else text


def amount(millionths: int) -> str:
    """Whole currency units, exact, with at least two decimals: ``12.50``, ``0.0015``."""
    whole, rest = divmod(abs(millionths), 100 * MILLIONTHS_A_CENT)
    text = f"{whole:,}.{f'{rest:08}'.rstrip('0').ljust(2, '0')}"
    return f"-{text}" if millionths < 0 else text
