"""Usage of batch lines, kept until the line's result is recorded: both are then committed in one transaction."""

from __future__ import annotations

from dataclasses import replace

from aquilon.platform.domain.metering import UsageEvent


class HeldUsage:
    """In the place of a `generation.usage_writer.UsageWriter`, for requests that stand for a line of a batch job."""

    def __init__(self) -> None:
        self._events: dict[str, list[UsageEvent]] = {}

    async def commit(self, event: UsageEvent) -> None:
        self.submit(event)

    def submit(self, event: UsageEvent) -> None:
        if event.outcome == "completed":  # a line that is cut short costs nothing: it is asked again, or never shown
            self._events.setdefault(event.request_id, []).append(event)

    def take(self, line: str) -> list[UsageEvent]:
        """What a line caused: none where nothing was generated; each under a name of its own."""
        events = self._events.pop(line, [])
        return [
            event if not number else replace(event, request_id=f"{line}.{number}")
            for number, event in enumerate(events)
        ]
