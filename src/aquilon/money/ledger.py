"""What requests hold of budgets and slots while they run: the one place that decides whether one may go on.

Reserve before work begins, extend while it runs, settle when it has ended, however
it ended. Spent and reserved together never exceed a limit through a reservation, and
what is settled never exceeds what was reserved: so what is spent never exceeds the
limit, whatever runs at once. Only making `Stock` ready waits; from there to the end
of each call everything is one transaction on the event loop.
"""

from __future__ import annotations

import bisect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aquilon.money.budgets import Budget, budget_exceeded, period_start
from aquilon.money.limits import Limit, all_slots_taken
from aquilon.money.prices import Price

RESERVED_TOKENS = 1024
"""Completion tokens reserved at once: a long answer asks again."""

_PERIODS_KNOWN = 3
Line = tuple[str, int]
"""What is limited: a budget's id and the start of one of its periods; a limit's id and 0 for its slots."""


@dataclass(frozen=True)
class Need:
    """What a request needs of a line: a budget in one of its periods, or a limit's slots."""

    limit: int
    """Of the line as a whole."""
    least: int
    wanted: int
    ahead: bool = False
    """More may be taken from a shared line than is wanted now, for the requests that come next."""


class Stock(Protocol):
    """How much of each line may be given away by this process."""

    async def ready(self, organization_id: str, needs: Mapping[Line, Need]) -> None:
        """Have ``free`` give what is needed of each line, or what there is of it."""

    def free(self, line: Line, limit: int) -> int:
        """What may be held now; less than nothing where a limit was lowered."""

    def left(self, line: Line, limit: int) -> int:
        """What remains of the limit as far as is known here, for the message where ``free`` doesn't suffice."""

    def hold(self, line: Line, amount: int) -> None: ...

    def release(self, line: Line, held: int, spent: int) -> None:
        """Give back what was held but for what was spent of it."""

    @property
    def reserved(self) -> Mapping[Line, int]:
        """What requests of this process hold now; no line where nothing is held."""


@dataclass
class Reservation:
    """One request's claim on every budget that it falls under, and its place in every limit's slots."""

    organization_id: str
    lines: dict[Line, Budget]
    rate: int
    """Millionths of a cent for a completion token."""
    slots: list[Line] = field(default_factory=list)
    amount: int = 0
    """Held of each budget, in millionths of a cent."""
    tokens: int = 0
    """Completion tokens that ``amount`` pays for."""
    settled: bool = False


class Ledger:
    """Limits are read with each call, so that a changed one counts at once."""

    def __init__(self, stock: Stock) -> None:
        self.stock = stock

    @property
    def reserved(self) -> Mapping[Line, int]:
        return self.stock.reserved

    async def reserve(
        self,
        organization_id: str,
        budgets: Sequence[Budget],
        moment: int,
        price: Price,
        *,
        prompt_tokens: int,
        completion_tokens: int,
        limits: Sequence[Limit] = (),
    ) -> Reservation:
        """Claim a slot, the prompt, and as many as fit of the completion tokens wanted, ``RESERVED_TOKENS`` at most.

        ``limits`` are those of requests at once. Raises ApiError 429 where no slot is
        free, or the prompt and one completion token (if any is wanted) don't fit.
        """
        lines = {(budget.id, period_start(budget.period, moment)): budget for budget in budgets}
        prompt = prompt_tokens * price.input
        least = prompt + price.output * min(1, completion_tokens)
        wanted = prompt + price.output * min(completion_tokens, RESERVED_TOKENS)
        needs = {line: Need(budget.limit, least, wanted, ahead=True) for line, budget in lines.items()}
        slots = {limit.slots: limit for limit in limits if limit.parallel_requests is not None}
        needs |= {line: Need(limit.parallel_requests or 0, 1, 1) for line, limit in slots.items()}
        await self.stock.ready(organization_id, needs)
        for line, budget in lines.items():
            if self.stock.free(line, budget.limit) < least:
                remaining = self.stock.left(line, budget.limit)
                raise budget_exceeded(budget, remaining=remaining, needed=least, moment=moment)
        for line, limit in slots.items():
            if self.stock.free(line, limit.parallel_requests or 0) < 1:
                raise all_slots_taken(limit)
        reservation = Reservation(organization_id, lines, price.output, list(slots))
        for line in slots:
            self.stock.hold(line, 1)
        self._hold(reservation, prompt)
        self._grant(reservation, completion_tokens)
        return reservation

    async def extend(self, reservation: Reservation, completion_tokens: int) -> int:
        """Claim up to this many more completion tokens; gives how many were granted, perhaps none."""
        if reservation.rate and reservation.lines:
            wanted = min(completion_tokens, RESERVED_TOKENS) * reservation.rate
            needs = {
                line: Need(budget.limit, reservation.rate, wanted, ahead=True)
                for line, budget in reservation.lines.items()
            }
            await self.stock.ready(reservation.organization_id, needs)
        return 0 if reservation.settled else self._grant(reservation, completion_tokens)

    def settle(self, reservation: Reservation, cost: int) -> None:
        """Spend ``cost`` of the reservation and give the rest back; a second time changes nothing."""
        if reservation.settled:
            return
        if reservation.lines and cost > reservation.amount:
            raise ValueError(f"A request cost {cost}, more than the {reservation.amount} that were reserved for it")
        reservation.settled = True
        for line in reservation.lines:
            self.stock.release(line, reservation.amount, cost)
        for line in reservation.slots:
            self.stock.release(line, 1, 0)

    def _grant(self, reservation: Reservation, completion_tokens: int) -> int:
        granted = completion_tokens
        if reservation.rate and reservation.lines:
            granted = min(completion_tokens, RESERVED_TOKENS)
            for line, budget in reservation.lines.items():
                granted = min(granted, self.stock.free(line, budget.limit) // reservation.rate)
            granted = max(0, granted)
        self._hold(reservation, granted * reservation.rate)
        reservation.tokens += granted
        return granted

    def _hold(self, reservation: Reservation, amount: int) -> None:
        reservation.amount += amount
        for line in reservation.lines:
            self.stock.hold(line, amount)


class OwnStock:
    """All of every line is this process's to give: what was spent is read once, and then known here."""

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
                self._forget_before(line)

    def _forget_before(self, line: Line) -> None:
        """The period before is kept: what began in it may still run, and a clock may be set back."""
        earlier = self._periods.setdefault(line[0], [])
        bisect.insort(earlier, line[1])
        while len(earlier) > _PERIODS_KNOWN and (earlier[0] != line[1]) and (line[0], earlier[0]) not in self._reserved:
            self._spent.pop((line[0], earlier.pop(0)), None)

    def free(self, line: Line, limit: int) -> int:
        return limit - self.spent(line) - self._reserved.get(line, 0)

    left = free

    def hold(self, line: Line, amount: int) -> None:
        _add(self._reserved, line, amount)

    def release(self, line: Line, held: int, spent: int) -> None:
        _add(self._reserved, line, -held)
        self._spent[line] = self.spent(line) + spent


def _add(amounts: dict[Line, int], line: Line, amount: int) -> None:
    """Nothing is remembered of a line where nothing is left."""
    if left := amounts.get(line, 0) + amount:
        amounts[line] = left
    else:
        amounts.pop(line, None)
