"""What a request pays: admission and its claim on budgets before it runs, its usage event in the end."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field

from aquilon.money.admission import Admission
from aquilon.money.ledger import RESERVED_TOKENS, Ledger, Reservation
from aquilon.money.limits import Quota, applies, quotas
from aquilon.money.prices import FREE, Price, PriceList
from aquilon.money.rates import Rates
from aquilon.money.usage_event import Outcome, Usage, UsageEvent
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.identity import Principal


class Settlement:
    """Opens an ``Account`` for each request that is admitted."""

    def __init__(self, admission: Admission, writer: UsageWriter, clock: Callable[[], float] = time.time) -> None:
        """``clock`` is the wall's: everybody must agree on a period. All that lasts is measured by another one."""
        self._terms = admission.terms
        self._rates = admission.rates
        self._writer = writer
        self._clock = clock
        self.ledger = admission.ledger

    async def open(
        self,
        principal: Principal,
        request_id: str,
        model: str,
        *,
        prompt_tokens: int,
        completion_tokens: int,
        told: MutableMapping[str, str] | None = None,
    ) -> Account:
        """Admit the request, and claim what it may use at most, or a first part of it.

        ``completion_tokens`` is for all of its continuations together. A line of a
        batch job has its own price and no limits but budgets. ``told`` gets headers
        that the answer has, a refusal as well. Raises ApiError: 429 where a rate, a
        limit of requests at once or a budget refuses, 503 where usage can't be recorded.
        """
        batch = principal.batch_line is not None
        self._writer.require_working()
        terms = await self._terms.of(principal.organization_id)
        moment = int(self._clock())
        limits = [
            limit
            for limit in terms.limits
            if limit.model in ("", model) and not batch and applies(limit.scope, limit.scope_id, principal)
        ]
        reservation = await self.ledger.reserve(
            principal.organization_id,
            [budget for budget in terms.budgets if applies(budget.scope, budget.scope_id, principal)],
            moment,
            price := _price(terms.prices.get(model), moment, batch),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            limits=limits,
        )
        counted = quotas(limits)
        try:
            await self._rates.admit(counted, prompt_tokens, {} if told is None else told)
        except BaseException:
            self.ledger.settle(reservation, 0)
            raise
        return Account(
            self._writer,
            self.ledger,
            self._rates,
            self._clock,
            principal,
            principal.batch_line or request_id,
            model,
            price,
            reservation,
            counted,
            prompt_tokens,
            completion_tokens,
            batch,
        )


@dataclass
class Account:
    """One request's. ``complete`` or ``close`` ends it; whichever comes first counts."""

    writer: UsageWriter
    ledger: Ledger
    rates: Rates
    clock: Callable[[], float]
    principal: Principal
    request_id: str
    model: str
    price: Price
    reservation: Reservation
    quotas: Sequence[Quota]
    most_prompt_tokens: int
    most_tokens: int
    """Completion tokens that the request may have."""
    batch: bool = False
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    """Of those, as whoever computes them tells; not on record."""
    granted: int = 0
    """Completion tokens that were allowed so far; those behind a stop string are not counted."""
    begun: float = field(default_factory=time.monotonic)
    first_token: float | None = None
    ended: bool = False

    @property
    def usage(self) -> Usage:
        reasoning_tokens = min(self.reasoning_tokens, self.completion_tokens)
        return Usage(self.prompt_tokens, self.completion_tokens, self.cached_tokens, reasoning_tokens)

    def computed(self, prompt_tokens: int, cached_tokens: int) -> None:
        """One of the request's prompts was read; more tokens than were admitted for it are not paid."""
        self.prompt_tokens = min(self.prompt_tokens + prompt_tokens, self.most_prompt_tokens)
        self.cached_tokens = min(self.cached_tokens + cached_tokens, self.prompt_tokens)

    async def grant(self, tokens: int) -> int:
        """How many of these completion tokens the budgets pay for."""
        lacking = self.granted + tokens - self.reservation.tokens
        if lacking > 0:
            later = self.most_tokens - self.reservation.tokens
            await self.ledger.extend(self.reservation, max(lacking, min(RESERVED_TOKENS, later)))
        tokens = max(0, min(tokens, self.reservation.tokens - self.granted))
        self.granted += tokens
        return tokens

    def generated(self, tokens: int) -> None:
        """Of those that were granted."""
        if self.first_token is None and tokens:
            self.first_token = time.monotonic()
        self.completion_tokens = min(self.completion_tokens + tokens, self.granted)

    async def complete(self) -> None:
        """Every answer is whole: returns when that is on record. Raises ApiError 503 where it can't be recorded."""
        if (event := self._end("completed")) is not None:
            await self.writer.commit(event)

    def close(self, outcome: Outcome) -> None:
        """The request ended before its answer was whole; what was generated until then is paid."""
        if (event := self._end(outcome)) is not None:
            self.writer.submit(event)

    def _end(self, outcome: Outcome) -> UsageEvent | None:
        if self.ended:
            return None
        self.ended = True
        usage = self.usage
        whole = outcome == "completed" or not self.batch  # a batch line that is cut short is asked again, or not shown
        cost = self.price.cost(usage) if whole else 0
        self.ledger.settle(self.reservation, cost)
        self.rates.count(
            self.quotas,
            usage.prompt_tokens - usage.cached_tokens + usage.completion_tokens - self.most_prompt_tokens,
        )
        return UsageEvent(
            request_id=self.request_id,
            organization_id=self.principal.organization_id,
            workspace_id=self.principal.workspace_id,
            user_id=self.principal.user_id,
            api_key_id=self.principal.api_key_id,
            model=self.model,
            ended_at=int(self.clock()),
            usage=usage,
            outcome=outcome,
            latency_ms=round((time.monotonic() - self.begun) * 1000),
            first_token_ms=None if self.first_token is None else round((self.first_token - self.begun) * 1000),
            cost=cost,
            price_id=self.price.id or None,
            batch=self.batch,
            budget_lines=tuple(self.reservation.lines),
        )


def _price(history: PriceList | None, moment: int, batch: bool) -> Price:
    price = (history.at(moment) if history is not None else None) or FREE
    return price.in_batch() if batch else price
