"""How long a conversation is kept after its last change."""

from __future__ import annotations

from aquilon.errors import invalid

DAY = 86_400
"""Seconds."""
MOST_DAYS = 36_500


def kept_days(of_conversation: int | None, of_organization: int | None) -> int | None:
    """A conversation's own number of days, but no longer than the organization's rule; None for ever."""
    if of_conversation is None or of_organization is None:
        return of_organization if of_conversation is None else of_conversation
    return min(of_conversation, of_organization)


def require_days(days: int | None, *, least: int, param: str) -> None:
    """Raises ApiError 400."""
    if days is not None and not least <= days <= MOST_DAYS:
        raise invalid(f"{param} is {days}; it must be {least} to {MOST_DAYS}, or null", param=param)
