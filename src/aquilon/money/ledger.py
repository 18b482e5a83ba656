"""What running requests reserve of budgets and slots. Only the ledger decides whether a request may run or go on.

A request reserves before it starts, extends while it runs, and settles when it ends,
however it ends. A reservation is only granted while spent plus reserved stay within
the limit, and a settlement never exceeds its reservation: so spending never exceeds
the limit, however many requests run at once. Each call may wait for `Stock.ready`;
after that it runs to its end without yielding to the event loop.
"""

from __future__ import annotations

import bisect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aquilon.money.budgets import Budget, budget_exceeded, period_start
from aquilon.money.limits import Limit, all_slots_taken
from aquilon.money.person_quotas import Allowance, QuotaUnit, quota_exceeded
from aquilon.money.prices import Price

RESERVED_TOKENS = 1024
"""Completion tokens reserved in one step. A longer answer extends its reservation."""

NOTHING_USED: Mapping[QuotaUnit, int] = {"messages": 0, "tokens": 0, "cost": 0}
_PERIODS_KNOWN = 3
Line = tuple[str, int]
"""What a ledger counts: a budget's or an allowance's id with the start of a period, or a limit's id with 0 for its
slots."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """How much a request needs of a line."""

    limit: int
    """The line's whole limit."""
    least: int
    """With less than this, the request is refused."""
    preferred: int
    ahead: bool = False
    """Whether a process may claim more than ``preferred`` of a shared line, for its next requests."""


class Stock(Protocol):
    """How much of each line this process may give to requests."""

    async def ready(self, organization_id: str, needs: Mapping[Line, Need]) -> None:
        """Make what is needed of each line available to ``free``, or as much as there is."""

    def free(self, line: Line, limit: int) -> int:
        """What may be held now; negative after a limit was lowered."""

    def left(self, line: Line, limit: int) -> int:
        """What remains of the limit as far as this process knows, for the message of a refusal."""

    def hold(self, line: Line, amount: int) -> None: ...

    def release(self, line: Line, held: int, spent: int) -> None:
        """Return what was held, except for what was spent."""

    @property
    def reserved(self) -> Mapping[Line, int]:
        """What requests of this process hold now, without lines of which nothing is held."""


@dataclass(kw_only=True)
class Draw:
    """What one request takes of an allowance, in the allowance's unit."""

    allowance: Allowance
    prompt: int
    """For its prompt, or for the request itself."""
    rate: int
    """For a completion token."""
    held: int = 0

    @classmethod
    def of(cls, allowance: Allowance, price: Price, prompt_tokens: int) -> Draw:
        prompt, rate = {
            "messages": (1, 0),
            "tokens": (prompt_tokens, 1),
            "cost": (prompt_tokens * price.input, price.output),
        }[allowance.unit]
        return cls(allowance=allowance, prompt=prompt, rate=rate)


@dataclass(kw_only=True)
class Reservation:
    """What one request holds of every budget and allowance that applies to it, and its slot in every limit of requests
    at once."""

    organization_id: str
    lines: dict[Line, Budget]
    rate: int
    """The price of a completion token, in millionths of a cent."""
    slots: list[Line] = field(default_factory=list)
    draws: dict[Line, Draw] = field(default_factory=dict)
    amount: int = 0
    """Millionths of a cent held of each budget."""
    tokens: int = 0
    """Completion tokens for which ``amount`` pays."""
    settled: bool = False

    @property
    def rates(self) -> dict[Line, tuple[int, int]]:
        """By line whose amount grows with the answer: its limit, and what a completion token takes of it."""
        budgets = {line: (budget.limit, self.rate) for line, budget in self.lines.items()}
        draws = {line: (draw.allowance.limit, draw.rate) for line, draw in self.draws.items()}
        return {line: (limit, rate) for line, (limit, rate) in (budgets | draws).items() if rate}


class Ledger:
    """Takes the limits with each call, so that a change counts at once."""

    def __init__(self, stock: Stock) -> None:
        self.stock = stock

    @property
    def reserved(self) -> Mapping[Line, int]:
        return self.stock.reserved

    async def reserve(
        self,
        organization_id: str,
        *,
        budgets: Sequence[Budget],
        moment: int,
        price: Price,
        prompt_tokens: int,
        completion_tokens: int,
        limits: Sequence[Limit] = (),
        allowances: Sequence[Allowance] = (),
    ) -> Reservation:
        """Reserve a slot, the prompt, and as many of the completion tokens as fit, at most ``RESERVED_TOKENS``.

        Raises ApiError 429 if no slot of ``limits`` is free, or if the budgets or allowances don't
        suffice for the prompt and (unless ``completion_tokens`` is 0) one completion token.
        """
        lines = {(budget.id, period_start(budget.period, moment)): budget for budget in budgets}
        prompt = prompt_tokens * price.input
        least = prompt + price.output * min(1, completion_tokens)
        preferred = prompt + price.output * min(completion_tokens, RESERVED_TOKENS)
        needs = {
            line: Need(limit=budget.limit, least=least, preferred=preferred, ahead=True)
            for line, budget in lines.items()
        }
        draws = {allowance.line(moment): Draw.of(allowance, price, prompt_tokens) for allowance in allowances}
        least_of = {line: draw.prompt + draw.rate * min(1, completion_tokens) for line, draw in draws.items()}
        needs |= {
            line: Need(
                limit=draw.allowance.limit,
                least=least_of[line],
                preferred=draw.prompt + draw.rate * min(completion_tokens, RESERVED_TOKENS),
                ahead=True,
            )
            for line, draw in draws.items()
        }
        slots = {limit.slots: limit for limit in limits if limit.parallel_requests is not None}
        needs |= {line: Need(limit=limit.parallel_requests or 0, least=1, preferred=1) for line, limit in slots.items()}
        await self.stock.ready(organization_id, needs)
        for line, budget in lines.items():
            if self.stock.free(line, budget.limit) < least:
                remaining = self.stock.left(line, budget.limit)
                raise budget_exceeded(budget, remaining=remaining, needed=least, moment=moment)
        for line, draw in draws.items():
            if self.stock.free(line, draw.allowance.limit) < least_of[line]:
                remaining = self.stock.left(line, draw.allowance.limit)
                raise quota_exceeded(draw.allowance, remaining=remaining, needed=least_of[line], moment=moment)
        for line, limit in slots.items():
            if self.stock.free(line, limit.parallel_requests or 0) < 1:
                raise all_slots_taken(limit)
        reservation = Reservation(
            organization_id=organization_id, lines=lines, rate=price.output, slots=list(slots), draws=draws
        )
        for line in slots:
            self.stock.hold(line, 1)
        for line, draw in draws.items():
            draw.held = draw.prompt
            self.stock.hold(line, draw.prompt)
        self._hold(reservation, prompt)
        self._grant(reservation, completion_tokens)
        return reservation

    async def extend(self, reservation: Reservation, completion_tokens: int) -> int:
        """Reserve up to this many more completion tokens; returns how many were granted, perhaps 0."""
        if rates := reservation.rates:
            preferred = min(completion_tokens, RESERVED_TOKENS)
            needs = {
                line: Need(limit=limit, least=rate, preferred=preferred * rate, ahead=True)
                for line, (limit, rate) in rates.items()
            }
            await self.stock.ready(reservation.organization_id, needs)
        return 0 if reservation.settled else self._grant(reservation, completion_tokens)

    def settle(self, reservation: Reservation, cost: int, used: Mapping[QuotaUnit, int] = NOTHING_USED) -> None:
        """Spend ``cost`` of the reservation, and ``used`` of its allowances; return the rest.

        A second call changes nothing.
        """
        if reservation.settled:
            return
        if reservation.lines and cost > reservation.amount:
            raise ValueError(f"A request cost {cost}, more than the {reservation.amount} that were reserved for it")
        reservation.settled = True
        for line in reservation.lines:
            self.stock.release(line, reservation.amount, cost)
        for line, draw in reservation.draws.items():
            self.stock.release(line, draw.held, used[draw.allowance.unit])
        for line in reservation.slots:
            self.stock.release(line, 1, 0)

    def refund(self, reservation: Reservation, amount: int, used: Mapping[QuotaUnit, int] = NOTHING_USED) -> None:
        """Return ``amount`` of what a settled reservation cost, and this much of what it used of its allowances."""
        for line in reservation.lines:
            self.stock.release(line, 0, -amount)
        for line, draw in reservation.draws.items():
            self.stock.release(line, 0, -used[draw.allowance.unit])

    def _grant(self, reservation: Reservation, completion_tokens: int) -> int:
        granted = completion_tokens
        if rates := reservation.rates:
            granted = min(completion_tokens, RESERVED_TOKENS)
            for line, (limit, rate) in rates.items():
                granted = min(granted, self.stock.free(line, limit) // rate)
            granted = max(0, granted)
        self._hold(reservation, granted * reservation.rate)
        for line, draw in reservation.draws.items():
            draw.held += granted * draw.rate
            self.stock.hold(line, granted * draw.rate)
        reservation.tokens += granted
        return granted

    def _hold(self, reservation: Reservation, amount: int) -> None:
        reservation.amount += amount
        for line in reservation.lines:
            self.stock.hold(line, amount)


class OwnStock:
    """The stock of a process that has the database to itself: it reads once what was spent, then keeps count."""

    def __init__(self, read_spent: Callable[[str, Sequence[Line]], Awaitable[Mapping[Line, int]]]) -> None:
        self._read_spent = read_spent
        self._spent: dict[Line, int] = {}
        self._reserved: dict[Line, int] = {}
        self._periods: dict[str, list[int]] = {}

    @property
    def reserved(self) -> Mapping[Line, int]:
        return self._reserved

    def spent(self, line: Line) -> int:
        return self._spent.get(line, 0)

    async def ready(self, organization_id: str, needs: Mapping[Line, Need]) -> None:
        unknown = [line for line in needs if line not in self._spent]
        if unknown:
            for line, spent in (await self._read_spent(organization_id, unknown)).items():
                self._spent.setdefault(line, spent)
                self._forget_old_periods(line)

    def _forget_old_periods(self, line: Line) -> None:
        """Forget old periods. Keeps the previous ones: their requests may still run, and a clock may be set back."""
        id_, start = line
        starts = self._periods.setdefault(id_, [])
        bisect.insort(starts, start)
        while len(starts) > _PERIODS_KNOWN and starts[0] != start and (id_, starts[0]) not in self._reserved:
            self._spent.pop((id_, starts.pop(0)), None)

    def free(self, line: Line, limit: int) -> int:
        return limit - self.spent(line) - self._reserved.get(line, 0)

    left = free

    def hold(self, line: Line, amount: int) -> None:
        _add(self._reserved, line, amount)

    def release(self, line: Line, held: int, spent: int) -> None:
        _add(self._reserved, line, -held)
        self._spent[line] = self.spent(line) + spent


def _add(amounts: dict[Line, int], line: Line, amount: int) -> None:
    """Add to a line's amount; a line whose amount is 0 is removed."""
    if total := amounts.get(line, 0) + amount:
        amounts[line] = total
    else:
        amounts.pop(line, None)
