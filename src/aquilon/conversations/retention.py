"""How long a conversation is kept after its last change."""

from __future__ import annotations

from aquilon.errors import invalid

DAY = 86_400
"""Seconds."""
MOST_DAYS = 36_500


def require_days(days: int | None, *, least: int, param: str) -> None:
    """Raises ApiError 400."""
    if days is not None and not least <= days <= MOST_DAYS:
        raise invalid(
            f"{param} is {days}; it must be {least} to {MOST_DAYS}, or null",
            param=param,
            code="out_of_range",
            values={"value": days, "least": least, "most": MOST_DAYS},
        )
