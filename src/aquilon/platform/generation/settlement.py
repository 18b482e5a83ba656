"""What a request pays: its claim on budgets before it runs, its tokens while it runs, its usage event in the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aquilon.platform.domain.budgets import Budget, period_start
from aquilon.platform.domain.generation import Usage
from aquilon.platform.domain.identity import Principal
from aquilon.platform.domain.ledger import RESERVED_TOKENS, Ledger, Line, Reservation
from aquilon.platform.domain.metering import Outcome, UsageEvent
from aquilon.platform.domain.prices import FREE, Price, PriceList
from aquilon.platform.generation.usage_writer import UsageWriter
from aquilon.platform.storage import Database
from aquilon.platform.storage import budgets as stored_budgets
from aquilon.platform.storage.prices import price_lists
from aquilon.platform.storage.scope import Scope

FRESH_SECONDS = 1.0
"""Prices and budgets that somebody changed count this soon."""


@dataclass
class _Rates:
    """What was read of one organization's budgets and of all prices."""

    read_at: float
    budgets: list[Budget]
    prices: dict[str, PriceList]


class Settlement:
    """Opens an ``Account`` for each request. One process decides over its budgets: the database is told the outcome."""

    def __init__(self, database: Database, writer: UsageWriter, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._rates: dict[str, _Rates] = {}
        self.ledger = Ledger()

    async def open(
        self, principal: Principal, request_id: str, model: str, *, prompt_tokens: int, completion_tokens: int
    ) -> Account:
        """Claim what the request may use at most, or a first part of it.

        ``completion_tokens`` is for all of its continuations together. Raises
        ApiError: 429 where a budget can't pay, 503 where usage can't be recorded.
        """
        self._writer.require_working()
        rates = await self._read(principal.organization_id)
        moment = int(self._clock())
        history = rates.prices.get(model)
        price = (history.at(moment) if history is not None else None) or FREE
        budgets = [budget for budget in rates.budgets if _applies(budget, principal)]
        await self._learn(principal, [(budget.id, period_start(budget.period, moment)) for budget in budgets])
        reservation = self.ledger.reserve(
            budgets, moment, price, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens
        )
        return Account(
            self._writer,
            self.ledger,
            self._clock,
            principal,
            request_id,
            model,
            price,
            reservation,
            completion_tokens,
        )

    async def _read(self, organization_id: str) -> _Rates:
        known = self._rates.get(organization_id)
        now = time.monotonic()
        if known is None or now - known.read_at > FRESH_SECONDS:
            async with self._database.reading() as session:
                budgets = await stored_budgets.budgets(session, Scope(organization_id))
                prices = await price_lists(session)
            known = self._rates[organization_id] = _Rates(now, budgets, prices)
        return known

    async def _learn(self, principal: Principal, lines: list[Line]) -> None:
        """What was spent before this process, or before this period was first asked for."""
        unknown = [line for line in lines if not self.ledger.knows(line)]
        if not unknown:
            return
        async with self._database.reading() as session:
            spent = await stored_budgets.spending(session, Scope.of_organization(principal), unknown)
        for line, amount in spent.items():
            self.ledger.begin(line, amount)


@dataclass
class Account:
    """One request's. ``complete`` or ``close`` ends it; whichever comes first counts."""

    writer: UsageWriter
    ledger: Ledger
    clock: Callable[[], float]
    principal: Principal
    request_id: str
    model: str
    price: Price
    reservation: Reservation
    most_tokens: int
    """Completion tokens that the request may have."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    granted: int = 0
    """Completion tokens that were allowed so far; those behind a stop string are not counted."""
    begun: float = field(default_factory=time.monotonic)
    first_token: float | None = None
    ended: bool = False

    @property
    def usage(self) -> Usage:
        return Usage(self.prompt_tokens, self.completion_tokens, self.cached_tokens)

    def computed(self, prompt_tokens: int, cached_tokens: int) -> None:
        """The engine has one of the request's prompts."""
        self.prompt_tokens += prompt_tokens
        self.cached_tokens += cached_tokens

    async def grant(self, tokens: int) -> int:
        """How many of these completion tokens the budgets pay for."""
        lacking = self.granted + tokens - self.reservation.tokens
        if lacking > 0:
            later = self.most_tokens - self.reservation.tokens
            self.ledger.extend(self.reservation, max(lacking, min(RESERVED_TOKENS, later)))
        tokens = min(tokens, self.reservation.tokens - self.granted)
        self.granted += tokens
        return tokens

    def generated(self, tokens: int) -> None:
        if self.first_token is None and tokens:
            self.first_token = time.monotonic()
        self.completion_tokens += tokens

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
        cost = self.price.cost(usage)
        self.ledger.settle(self.reservation, cost)
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
            budget_lines=tuple(self.reservation.lines),
        )


def _applies(budget: Budget, principal: Principal) -> bool:
    ids = {
        "organization": principal.organization_id,
        "workspace": principal.workspace_id,
        "key": principal.api_key_id,
    }
    return budget.scope_id == ids[budget.scope]
