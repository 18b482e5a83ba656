"""Whether an upstream's model may be asked now: a circuit breaker with one probe at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from aquilon.upstreams.failures import UpstreamFailure

FAILURES = 3
"""Failures in a row that open the circuit."""
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0


@dataclass
class Health:
    """Closed: all requests may ask. Open: none may, for a pause that doubles. Half-open: one probe decides."""

    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    """In a row."""
    open_until: float = 0.0
    pause: float = 0.0
    probing: bool = False
    resting_until: float = 0.0
    """The upstream asked for no requests until then, as with status 429."""

    @property
    def state(self) -> str:
        """``closed``, ``open``, ``half-open`` or ``resting``."""
        now = self.clock()
        if self.pause:
            return "open" if now < self.open_until else "half-open"
        return "resting" if now < self.resting_until else "closed"

    @property
    def seconds_left(self) -> float:
        """Until the upstream may be asked again."""
        return max(0.0, self.open_until - self.clock(), self.resting_until - self.clock())

    def may_ask(self) -> bool:
        """Whether a request may ask the upstream now."""
        state = self.state
        return state == "closed" or (state == "half-open" and not self.probing)

    def begin(self) -> None:
        """A request asks: while half-open, no other may."""
        self.probing = self.state == "half-open"

    def abandon(self) -> None:
        """The request was cancelled before its outcome was known."""
        self.probing = False

    def succeed(self) -> None:
        self.failures, self.pause, self.probing = 0, 0.0, False

    def learn(self, failure: UpstreamFailure) -> None:
        """The request got no answer."""
        if failure.rest:
            self.rest(failure.rest)
        if failure.unhealthy:
            self.fail()
        elif not failure.rest:
            self.abandon()

    def fail(self) -> None:
        self.failures += 1
        if self.pause or self.failures >= FAILURES:
            self.pause = min(LONGEST_PAUSE, self.pause * 2 or FIRST_PAUSE)
            self.open_until = self.clock() + self.pause
        self.probing = False

    def rest(self, seconds: float) -> None:
        self.resting_until = max(self.resting_until, self.clock() + seconds)
        self.probing = False
