"""Usage of batch lines, kept until the line's result is recorded: both are then committed in one transaction."""

from __future__ import annotations

from dataclasses import replace

from aquilon.money.usage_event import UsageEvent


class HeldUsage:
    def __init__(self) -> None:
        self._events: dict[str, list[UsageEvent]] = {}

    def add(self, event: UsageEvent) -> None:
        """A line that was cut short cost nothing: it is asked again, or its answer never shown."""
        if event.outcome == "completed":
            self._events.setdefault(event.request_id, []).append(event)

    def take(self, line: str) -> list[UsageEvent]:
        """What a line used, each under a name of its own; nothing where nothing was generated."""
        events = self._events.pop(line, [])
        return [
            replace(event, request_id=f"{line}.{number}") if number else event for number, event in enumerate(events)
        ]
