"""What a fine-tuning job pays: budgets reserve its estimate before it trains, and its usage event ends it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.admission import Admission
from aquilon.money.ledger import Ledger, Reservation
from aquilon.money.limits import applies
from aquilon.money.person_quotas import QuotaUnit, allowances
from aquilon.money.prices import FREE, Price, price_list_of
from aquilon.money.usage_event import Outcome, Usage, UsageEvent
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.identity import Principal


class TrainingPayments:
    def __init__(self, admission: Admission, writer: UsageWriter) -> None:
        self._admission = admission
        self._writer = writer

    async def open(self, principal: Principal, base: str, *, tokens: int) -> TrainingPayment:
        """Reserve the price of so many trained tokens. Raises ApiError 429 if a budget or a quota of cost refuses."""
        terms = await self._admission.terms.of(principal.organization_id)
        moment = int(time.time())
        prices = price_list_of(base, terms.prices)
        price = ((prices.at(moment) if prices is not None else None) or FREE).of_training()
        reservation = await self._admission.ledger.reserve(
            principal.organization_id,
            budgets=[budget for budget in terms.budgets if applies(budget.subject_kind, budget.subject_id, principal)],
            moment=moment,
            price=price,
            prompt_tokens=tokens,
            completion_tokens=0,
            allowances=[allowance for allowance in allowances(terms.quotas, principal) if allowance.unit == "cost"],
        )
        return TrainingPayment(
            ledger=self._admission.ledger,
            writer=self._writer,
            principal=principal,
            price=price,
            reservation=reservation,
            most_tokens=tokens,
        )


@dataclass(kw_only=True)
class TrainingPayment:
    """What one job holds of the budgets. ``record`` or ``release`` ends it."""

    ledger: Ledger
    writer: UsageWriter
    principal: Principal
    price: Price
    reservation: Reservation
    most_tokens: int
    _event: UsageEvent | None = None
    _used: dict[QuotaUnit, int] | None = None

    def cost(self, tokens: int) -> int:
        """Millionths of a cent. Tokens beyond the estimate are not paid."""
        return self.price.cost(Usage(min(tokens, self.most_tokens), 0))

    async def record(
        self, session: AsyncSession, job_id: str, model: str, *, tokens: int, seconds: int, outcome: Outcome
    ) -> None:
        """Write the job's usage event in a transaction; ``committed`` or ``undo`` follows. Another try writes the
        same event."""
        if self._event is None:
            cost = self.cost(tokens)
            self._used = {"messages": 0, "tokens": 0, "cost": cost}
            self._event = UsageEvent(
                request_id=job_id,
                organization_id=self.principal.organization_id,
                workspace_id=self.principal.workspace_id,
                user_id=self.principal.user_id,
                api_key_id=self.principal.api_key_id,
                model=model,
                ended_at=int(time.time()),
                usage=Usage(min(tokens, self.most_tokens), 0),
                outcome=outcome,
                latency_ms=seconds * 1000,
                first_token_ms=None,
                cost=cost,
                price_id=self.price.id or None,
                budget_lines=tuple(self.reservation.lines),
                quota_lines=tuple((*line, cost) for line in self.reservation.draws),
            )
            self.ledger.settle(self.reservation, cost, self._used)
        await self.writer.record(session, [self._event])

    def committed(self) -> None:
        if self._event is not None:
            self.writer.recorded([self._event])

    def undo(self) -> None:
        """Note that the event will never be written, since another process ends the job."""
        if self._event is not None and self._used is not None:
            self.ledger.refund(self.reservation, self._event.cost, self._used)

    def release(self) -> None:
        """Return all that is held, unless the job's event is on record."""
        self.ledger.settle(self.reservation, 0)
