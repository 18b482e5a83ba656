"""What is reserved and what is spent of each budget: the one place that decides whether a request may go on.

Reserve before work begins, extend while it runs, settle when it has ended, however
it ended. Spent and reserved together never exceed a budget's limit through a
reservation, and what is settled never exceeds what was reserved: so what is spent
never exceeds the limit, whatever runs at once. Nothing here waits: on one event loop
each call is a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aquilon.platform.domain.budgets import Budget, budget_exceeded, period_start
from aquilon.platform.domain.prices import Price

RESERVED_TOKENS = 1024
"""Completion tokens reserved at once: a long answer asks again."""

Line = tuple[str, int]
"""A budget's id and the start of one of its periods."""


@dataclass
class Reservation:
    """One request's claim on every budget that it falls under."""

    lines: dict[Line, Budget]
    rate: int
    """Millionths of a cent for a completion token."""
    amount: int
    tokens: int
    """Completion tokens that ``amount`` pays for."""
    settled: bool = False


class Ledger:
    """Budgets' limits are read with each call, so that a changed one counts at once."""

    def __init__(self) -> None:
        self._spent: dict[Line, int] = {}
        self._reserved: dict[Line, int] = {}

    @property
    def reserved(self) -> Mapping[Line, int]:
        """What requests that run now hold; no line where nothing is held."""
        return self._reserved

    def knows(self, line: Line) -> bool:
        return line in self._spent

    def begin(self, line: Line, spent: int) -> None:
        """Tell what was spent before this process began."""
        self._spent.setdefault(line, spent)

    def spent(self, line: Line) -> int:
        return self._spent.get(line, 0)

    def reserve(
        self, budgets: Sequence[Budget], moment: int, price: Price, *, prompt_tokens: int, completion_tokens: int
    ) -> Reservation:
        """Claim the prompt, and as many as fit of the completion tokens wanted, ``RESERVED_TOKENS`` at most.

        Raises ApiError 429 where the prompt and one completion token (if any is wanted) don't fit.
        """
        lines = {(budget.id, period_start(budget.period, moment)): budget for budget in budgets}
        prompt = prompt_tokens * price.input
        for line, budget in lines.items():
            needed = prompt + price.output * min(1, completion_tokens)
            if (remaining := self._remaining(line, budget)) < needed:
                raise budget_exceeded(budget, remaining=remaining, needed=needed, moment=moment)
        reservation = Reservation(lines, price.output, 0, 0)
        self._hold(reservation, prompt)
        self.extend(reservation, completion_tokens)
        return reservation

    def extend(self, reservation: Reservation, completion_tokens: int) -> int:
        """Claim up to this many more completion tokens; gives how many were granted, perhaps none."""
        if not reservation.rate or not reservation.lines:
            granted = completion_tokens
        else:
            granted = min(completion_tokens, RESERVED_TOKENS)
            for line, budget in reservation.lines.items():
                granted = min(granted, self._remaining(line, budget) // reservation.rate)
            granted = max(0, granted)
        self._hold(reservation, granted * reservation.rate)
        reservation.tokens += granted
        return granted

    def settle(self, reservation: Reservation, cost: int) -> None:
        """Spend ``cost`` of the reservation and give the rest back; a second time changes nothing."""
        if reservation.settled:
            return
        if reservation.lines and cost > reservation.amount:
            raise ValueError(f"A request cost {cost}, more than the {reservation.amount} that were reserved for it")
        reservation.settled = True
        for line in reservation.lines:
            self._spent[line] = self.spent(line) + cost
            left = self._reserved.get(line, 0) - reservation.amount
            if left:
                self._reserved[line] = left
            else:
                self._reserved.pop(line, None)

    def _remaining(self, line: Line, budget: Budget) -> int:
        return budget.limit - self.spent(line) - self._reserved.get(line, 0)

    def _hold(self, reservation: Reservation, amount: int) -> None:
        reservation.amount += amount
        for line in reservation.lines:
            if amount:
                self._reserved[line] = self._reserved.get(line, 0) + amount
