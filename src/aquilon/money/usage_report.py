"""Usage as it is asked for and written down, over HTTP and on the command line."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.prices import day
from aquilon.money.store.usage import FACETS, SECONDS, Facet, Span, UsageRow, totals
from aquilon.people.scope import Scope

MOST_ROWS_IN_TIME = 10_000
"""Hours or days in one report."""
_DEFAULT_DAYS = 30
_FACET_FIELDS: dict[Facet, tuple[str, ...]] = {
    "workspace": ("workspace",),
    "member": ("member",),
    "key": ("key_id", "key"),
    "model": ("model",),
}


@dataclass(frozen=True)
class UsageQuestion:
    span: Span
    since: int
    until: int
    by: tuple[Facet, ...]

    @classmethod
    def read(cls, *, span: str = "day", since: str = "", until: str = "", by: str = "") -> UsageQuestion:
        """``since`` and ``until`` are what ``moment`` reads, ``by`` a list with commas. Raises ValueError in words."""
        if span not in SECONDS:
            raise ValueError(f"span is '{span[:50]}'; it is hour or day")
        facets = [name.strip() for name in by.split(",") if name.strip()]
        for name in facets:
            if name not in FACETS:
                raise ValueError(f"by has '{name[:50]}'; usage is told apart by {', '.join(FACETS)}")
        now = int(time.time())
        end = moment(until) if until else now + 1
        begin = moment(since) if since else end // SECONDS["day"] * SECONDS["day"] - _DEFAULT_DAYS * SECONDS["day"]
        seconds = SECONDS[span]  # type: ignore[index]
        begin = begin // seconds * seconds
        if begin >= end:
            raise ValueError(f"since ({day(begin)}) must be before until ({day(end)})")
        if (end - begin) // seconds > MOST_ROWS_IN_TIME:
            raise ValueError(f"That is more than {MOST_ROWS_IN_TIME} {span}s: ask for less time, or by day")
        return cls(span, begin, end, tuple(dict.fromkeys(facets)))  # type: ignore[arg-type]

    async def answer(self, session: AsyncSession, scope: Scope, *, workspace_id: str | None = None) -> list[UsageRow]:
        return await totals(
            session,
            scope,
            span=self.span,
            since=self.since,
            until=self.until,
            by=self.by,
            workspace_id=workspace_id,
        )

    @property
    def fields(self) -> list[str]:
        """Of a row of the report, in order."""
        told = [field for facet, fields in _FACET_FIELDS.items() if facet in self.by for field in fields]
        counts = [
            "requests",
            "batch_requests",
            "prompt_tokens",
            "cached_tokens",
            "completion_tokens",
            "cost_microcents",
        ]
        return ["starts_at", *told, *counts]

    def as_object(self, row: UsageRow) -> dict[str, Any]:
        """``starts_at`` in seconds since 1970; a microcent is a millionth of a cent."""
        return {name: row.cost if name == "cost_microcents" else getattr(row, name) for name in self.fields}

    def as_csv(self, rows: Sequence[UsageRow]) -> str:
        """RFC 4180, with a header; times as people and spreadsheets read them, in UTC."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.fields)
        for row in rows:
            cells = self.as_object(row)
            cells["starts_at"] = datetime.fromtimestamp(row.starts_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            writer.writerow([_cell(cell) for cell in cells.values()])
        return text.getvalue()


def moment(text: str) -> int:
    """Seconds since 1970 of ``2026-11-21``, ``2026-11-21T08:00`` (UTC where no zone is told) or a number of seconds.

    Raises ValueError with an example.
    """
    try:
        if text.isascii() and text.isdigit() and len(text) < 13:
            return int(text)
        if len(text) == 10:
            return int(datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC).timestamp())
        read = datetime.fromisoformat(text)
        return max(0, int((read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        raise ValueError(f"'{text[:50]}' is not a time: write 2026-11-21 or 2026-11-21T08:00:00Z") from None


def _cell(value: Any) -> Any:
    """A name that a spreadsheet would run as a formula is made text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
