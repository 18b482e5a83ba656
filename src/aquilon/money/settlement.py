"""What a request pays: it is admitted and reserves from budgets before it runs, and ends with a usage event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from aquilon.errors import ApiError
from aquilon.money.admission import Admission
from aquilon.money.ledger import RESERVED_TOKENS, Ledger, Reservation
from aquilon.money.limits import Quota, applies, quotas
from aquilon.money.person_quotas import QuotaUnit, allowances
from aquilon.money.prices import FREE, Price, PriceList, price_list_of
from aquilon.money.rates import Rates
from aquilon.money.refusals import Refusals
from aquilon.money.usage_event import Outcome, Usage, UsageEvent
from aquilon.money.usage_writer import Also, UsageWriter
from aquilon.people.identity import Principal


class Settlement:
    """Opens a `Charge` for each admitted request."""

    def __init__(self, admission: Admission, writer: UsageWriter, clock: Callable[[], float] = time.time) -> None:
        """``clock`` is the wall clock, since all processes must agree on periods. Durations use a monotonic clock."""
        self._terms = admission.terms
        self._rates = admission.rates
        self._writer = writer
        self._clock = clock
        self._refusals = Refusals(writer, clock)
        self.ledger = admission.ledger

    async def open(
        self,
        principal: Principal,
        request_id: str,
        model: str,
        *,
        prompt_tokens: int,
        completion_tokens: int,
        headers: MutableMapping[str, str] | None = None,
        message: bool = False,
    ) -> Charge:
        """Admit the request, and reserve the most that it may use, or a first part of that.

        ``completion_tokens`` counts all of its continuations together. A line of a
        batch job pays the batch price, and budgets and quotas alone limit it. ``message``:
        whether it is one of the messages that a person's quota counts. Adds the answer's rate
        headers to ``headers``, also when it refuses. Raises ApiError: 429 if a rate, a
        limit of requests at once, a budget or a quota refuses, 503 if usage can't be recorded.
        """
        try:
            return await self._admitted(
                principal,
                request_id,
                model,
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
                headers=headers,
                message=message,
            )
        except ApiError as error:
            if error.status == 429:
                self._refusals.note(principal, error, request_id=request_id, model=model)
            raise

    async def _admitted(
        self,
        principal: Principal,
        request_id: str,
        model: str,
        *,
        prompt_tokens: int,
        completion_tokens: int,
        headers: MutableMapping[str, str] | None,
        message: bool,
    ) -> Charge:
        batch = principal.batch_line is not None
        self._writer.require_working()
        terms = await self._terms.of(principal.organization_id)
        moment = int(self._clock())
        limits = [
            limit
            for limit in terms.limits
            if limit.model in ("", model) and not batch and applies(limit.subject_kind, limit.subject_id, principal)
        ]
        price = _price(price_list_of(model, terms.prices), moment, batch=batch)
        reservation = await self.ledger.reserve(
            principal.organization_id,
            budgets=[budget for budget in terms.budgets if applies(budget.subject_kind, budget.subject_id, principal)],
            moment=moment,
            price=price,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            limits=limits,
            allowances=[
                allowance
                for allowance in allowances(terms.quotas, principal)
                if message or allowance.unit != "messages"
            ],
        )
        request_quotas = quotas(limits)
        try:
            await self._rates.admit(request_quotas, prompt_tokens, {} if headers is None else headers)
        except BaseException:
            self.ledger.settle(reservation, 0)
            raise
        return Charge(
            writer=self._writer,
            ledger=self.ledger,
            rates=self._rates,
            clock=self._clock,
            principal=principal,
            request_id=principal.batch_line or request_id,
            model=model,
            price=price,
            reservation=reservation,
            quotas=request_quotas,
            most_prompt_tokens=prompt_tokens,
            most_tokens=completion_tokens,
            batch=batch,
        )


@dataclass(kw_only=True)
class Charge:
    """What one request pays. ``complete`` or ``close`` ends it; the first call counts."""

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
    """Of ``completion_tokens``, as the backend reports them; not recorded."""
    delivered_tokens: int | None = None
    """Completion tokens that a stream delivered to its client; None before the first."""
    granted: int = 0
    """Completion tokens granted so far; those after a stop string are not counted."""
    started_at: float = field(default_factory=time.monotonic)
    first_token: float | None = None
    error_code: str | None = None
    ended: bool = False

    @property
    def usage(self) -> Usage:
        reasoning_tokens = min(self.reasoning_tokens, self.completion_tokens)
        return Usage(self.prompt_tokens, self.completion_tokens, self.cached_tokens, reasoning_tokens)

    def computed(self, prompt_tokens: int, cached_tokens: int) -> None:
        """Count one of the request's prompts. Tokens beyond what was admitted are not paid."""
        self.prompt_tokens = min(self.prompt_tokens + prompt_tokens, self.most_prompt_tokens)
        self.cached_tokens = min(self.cached_tokens + cached_tokens, self.prompt_tokens)

    async def grant(self, tokens: int) -> int:
        """Grant as many of these completion tokens as the budgets pay for; returns how many."""
        missing = self.granted + tokens - self.reservation.tokens
        if missing > 0:
            unreserved = self.most_tokens - self.reservation.tokens
            await self.ledger.extend(self.reservation, max(missing, min(RESERVED_TOKENS, unreserved)))
        tokens = max(0, min(tokens, self.reservation.tokens - self.granted))
        self.granted += tokens
        return tokens

    def generated(self, tokens: int) -> None:
        """Count completion tokens that were generated, at most those granted."""
        if self.first_token is None and tokens:
            self.first_token = time.monotonic()
        self.completion_tokens = min(self.completion_tokens + tokens, self.granted)

    def delivered(self, tokens: int) -> None:
        """Note that the client has received a stream's first ``tokens`` completion tokens."""
        self.delivered_tokens = tokens

    def failed(self, error: Exception) -> None:
        """Note why the request fails, for the log of requests."""
        self.error_code = (error.code or error.type) if isinstance(error, ApiError) else "internal_error"

    async def complete(self, also: Also | None = None) -> None:
        """End a request whose answers are complete; returns when its usage is recorded, and ``also`` with it.

        Raises ApiError 503 if usage can't be recorded: the request then counts as failed.
        So does one whose client leaves meanwhile, before anything was delivered.
        """
        event = self._end("completed")
        if event is None:
            return

        def failed() -> UsageEvent:
            cost, used = self._cost("failed"), self._used("completed", event.cost)
            less = self._used("failed", cost)
            unused: dict[QuotaUnit, int] = {unit: amount - less[unit] for unit, amount in used.items()}
            self.ledger.refund(self.reservation, event.cost - cost, unused)
            return replace(event, outcome="failed", cost=cost, quota_lines=self._quota_lines("failed", cost))

        try:
            await self.writer.commit(event, failed, also)
        except asyncio.CancelledError:
            if self.delivered_tokens is None:
                self.writer.take_back(event, failed)
            raise

    def close(self, outcome: Outcome, also: Also | None = None) -> asyncio.Future[None] | None:
        """End a request before its answer is complete; returns what is done when its usage is recorded.

        A client that leaves pays for what was generated; after a failure, it pays for what was delivered.
        """
        event = self._end(outcome)
        return None if event is None else self.writer.submit(event, also)

    def if_killed(self) -> UsageEvent:
        """The event that is to be recorded if this process dies now: a failure, of which what was delivered is paid."""
        return self._event("failed", self._cost("failed"))

    def _cost(self, outcome: Outcome) -> int:
        if outcome == "completed":
            return self.price.cost(self.usage)
        if self.batch:  # an interrupted line is asked again, or its answer never shown
            return 0
        if outcome == "cancelled":
            return self.price.cost(self.usage)
        if self.delivered_tokens is None:
            return 0
        return self.price.cost(msgspec.structs.replace(self.usage, completion_tokens=self.delivered_tokens))

    def _used(self, outcome: Outcome, cost: int) -> dict[QuotaUnit, int]:
        """What the request takes of a person's quotas: nothing of messages and tokens without an answer."""
        completion: int | None = self.completion_tokens
        if outcome == "failed" or (self.batch and outcome != "completed"):
            completion = None if self.batch else self.delivered_tokens
        if completion is None or (outcome == "cancelled" and not completion):
            return {"messages": 0, "tokens": 0, "cost": cost}
        return {"messages": 1, "tokens": self.prompt_tokens + completion, "cost": cost}

    def _quota_lines(self, outcome: Outcome, cost: int) -> tuple[tuple[str, int, int], ...]:
        used = self._used(outcome, cost)
        return tuple((*line, used[draw.allowance.unit]) for line, draw in self.reservation.draws.items())

    def _end(self, outcome: Outcome) -> UsageEvent | None:
        if self.ended:
            return None
        self.ended = True
        usage, cost = self.usage, self._cost(outcome)
        self.ledger.settle(self.reservation, cost, self._used(outcome, cost))
        self.rates.count(
            self.quotas,
            usage.prompt_tokens - usage.cached_tokens + usage.completion_tokens - self.most_prompt_tokens,
        )
        return self._event(outcome, cost)

    def _event(self, outcome: Outcome, cost: int) -> UsageEvent:
        return UsageEvent(
            request_id=self.request_id,
            organization_id=self.principal.organization_id,
            workspace_id=self.principal.workspace_id,
            user_id=self.principal.user_id,
            api_key_id=self.principal.api_key_id,
            model=self.model,
            ended_at=int(self.clock()),
            usage=self.usage,
            outcome=outcome,
            latency_ms=round((time.monotonic() - self.started_at) * 1000),
            first_token_ms=None if self.first_token is None else round((self.first_token - self.started_at) * 1000),
            cost=cost,
            price_id=self.price.id or None,
            batch=self.batch,
            error_code=self.error_code if outcome == "failed" else None,
            budget_lines=tuple(self.reservation.lines),
            quota_lines=self._quota_lines(outcome, cost),
        )


def _price(prices: PriceList | None, moment: int, *, batch: bool) -> Price:
    price = (prices.at(moment) if prices is not None else None) or FREE
    return price.in_batch() if batch else price
