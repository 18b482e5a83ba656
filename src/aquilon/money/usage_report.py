"""Usage reports: the question that a user asks, and the answer as JSON objects or CSV."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import Refusal
from aquilon.money.prices import day
from aquilon.money.store.usage import FACETS, SECONDS, Facet, Span, UsageRow, totals
from aquilon.people.scope import Scope

MOST_ROWS_IN_TIME = 10_000
"""The most hours or days in one report."""
_DEFAULT_DAYS = 30
_FACET_FIELDS: dict[Facet, tuple[str, ...]] = {
    "workspace": ("workspace",),
    "member": ("member",),
    "key": ("key_id", "key"),
    "model": ("model",),
}


@dataclass(frozen=True, kw_only=True)
class UsageQuestion:
    span: Span
    since: int
    until: int
    by: tuple[Facet, ...]

    @classmethod
    def read(cls, *, span: str = "day", since: str = "", until: str = "", by: str = "") -> UsageQuestion:
        """``since`` and ``until`` are as `moment` reads them, ``by`` is a list with commas. Raises ValueError."""
        if span not in SECONDS:
            raise Refusal(
                f"span is '{span[:50]}'; it is hour or day",
                code="not_one_of",
                values={"value": span[:50], "allowed": "hour, day"},
            )
        facets = [name.strip() for name in by.split(",") if name.strip()]
        for name in facets:
            if name not in FACETS:
                raise Refusal(
                    f"by has '{name[:50]}'; usage is grouped by {', '.join(FACETS)}",
                    code="not_one_of",
                    values={"value": name[:50], "allowed": ", ".join(FACETS)},
                )
        now = int(time.time())
        end = moment(until) if until else now + 1
        begin = moment(since) if since else end // SECONDS["day"] * SECONDS["day"] - _DEFAULT_DAYS * SECONDS["day"]
        seconds = SECONDS[span]  # type: ignore[index]
        begin = begin // seconds * seconds
        if begin >= end:
            raise Refusal(f"since ({day(begin)}) must be before until ({day(end)})", code="time_range_empty")
        if (end - begin) // seconds > MOST_ROWS_IN_TIME:
            raise Refusal(
                f"That is more than {MOST_ROWS_IN_TIME} {span}s: ask for less time, or by day",
                code="time_range_too_long",
                values={"most": MOST_ROWS_IN_TIME},
            )
        return cls(span=span, since=begin, until=end, by=tuple(dict.fromkeys(facets)))  # type: ignore[arg-type]

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
        """The names of a row's fields, in order."""
        facet_fields = [field for facet, fields in _FACET_FIELDS.items() if facet in self.by for field in fields]
        counts = [
            "requests",
            "batch_requests",
            "prompt_tokens",
            "cached_tokens",
            "completion_tokens",
            "cost_microcents",
        ]
        return ["starts_at", *facet_fields, *counts]

    def as_object(self, row: UsageRow) -> dict[str, Any]:
        """A row as a JSON object: ``starts_at`` in seconds since 1970, the cost in millionths of a cent."""
        return {name: row.cost if name == "cost_microcents" else getattr(row, name) for name in self.fields}

    def as_csv(self, rows: Sequence[UsageRow]) -> str:
        """CSV by RFC 4180, with a header; times are written such as ``2026-11-21T08:00:00Z``."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.fields)
        for row in rows:
            cells = self.as_object(row)
            cells["starts_at"] = utc_time(row.starts_at)
            writer.writerow([spreadsheet_cell(cell) for cell in cells.values()])
        return text.getvalue()


def utc_time(seconds: int) -> str:
    """``2026-11-21T08:00:00Z``"""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> int:
    """Seconds since 1970 of ``2026-11-21``, ``2026-11-21T08:00`` (UTC if it has no zone) or a number of seconds.

    Raises ValueError, with an example of a time.
    """
    try:
        if text.isascii() and text.isdigit() and len(text) < 13:
            return int(text)
        if len(text) == 10:
            return int(datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC).timestamp())
        time_ = datetime.fromisoformat(text)
        return max(0, int((time_ if time_.tzinfo is not None else time_.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        raise Refusal(
            f"'{text[:50]}' is not a time: write 2026-11-21 or 2026-11-21T08:00:00Z",
            code="invalid_time",
            values={"value": text[:50]},
        ) from None


def spreadsheet_cell(value: Any) -> Any:
    """Prefix a name that a spreadsheet would run as a formula, so that it stays text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
