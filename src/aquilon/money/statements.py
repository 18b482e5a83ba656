"""A month's statement: usage, its cost, and the tax on it. Only here is money rounded."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from aquilon.errors import Refusal
from aquilon.money.prices import MILLIONTHS_A_CENT

_MONTH = re.compile(r"(2\d{3})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Month:
    """A calendar month in UTC; ``starts_at`` is its first second since 1970, ``ends_at`` the next month's."""

    name: str
    """Such as ``2026-11``."""
    starts_at: int
    ends_at: int

    @classmethod
    def read(cls, text: str) -> Month:
        """Raises ValueError, with an example, if ``text`` isn't a month."""
        match = _MONTH.fullmatch(text)
        if match is None:
            raise Refusal(
                f"'{text[:20]}' is not a month: write it as 2026-11", code="invalid_month", values={"value": text[:20]}
            )
        year, month = int(match[1]), int(match[2])
        following = (year + 1, 1) if month == 12 else (year, month + 1)
        starts, ends = (datetime(*year_month, 1, tzinfo=UTC) for year_month in ((year, month), following))
        return cls(text, int(starts.timestamp()), int(ends.timestamp()))


@dataclass(frozen=True)
class StatementLine:
    """One model's usage in one workspace."""

    workspace: str
    model: str
    requests: int
    prompt_tokens: int
    """Including the cached ones."""
    cached_tokens: int
    completion_tokens: int
    cost: int
    """Millionths of a cent, exact."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Amounts ``net``, ``vat`` and ``total`` are whole cents of ``currency``.

    The exact sum of all lines is rounded once, half up. The tax is computed on the
    rounded sum, as tax offices require, and rounded half up too.
    """

    number: str
    seller: str
    """Lines with the name and address of the server's operator; may be empty."""
    customer: str
    """The organization's name."""
    customer_vat_number: str = ""
    month: Month
    final: bool
    """Whether the month was over when the statement was made."""
    currency: str
    vat_percent: Decimal
    lines: tuple[StatementLine, ...]

    @property
    def exact(self) -> int:
        """Millionths of a cent."""
        return sum(line.cost for line in self.lines)

    @property
    def net(self) -> int:
        return _rounded(Decimal(self.exact) / MILLIONTHS_A_CENT)

    @property
    def vat(self) -> int:
        return _rounded(self.net * self.vat_percent / 100)

    @property
    def total(self) -> int:
        return self.net + self.vat


def added_up(lines: Iterable[StatementLine]) -> tuple[StatementLine, ...]:
    """Add up lines of the same workspace and model; sorted by both names."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 5)
    for line in lines:
        counts = line.requests, line.prompt_tokens, line.cached_tokens, line.completion_tokens, line.cost
        total = sums[line.workspace, line.model]
        total[:] = map(sum, zip(total, counts, strict=True))
    return tuple(StatementLine(*names, *counts) for names, counts in sorted(sums.items()))


def _rounded(cents: Decimal) -> int:
    return int(cents.quantize(Decimal(1), ROUND_HALF_UP))
