"""Refused requests in the log of requests: those that a rate, a limit, a budget or a quota stopped.

They use nothing and count in no total. A client that is refused often asks again at once:
of each caller so many a minute are logged, and the others are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from aquilon.errors import ApiError
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.money.usage_writer import UsageWriter
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id

MOST_A_MINUTE = 20


class Refusals:
    def __init__(self, writer: UsageWriter, clock: Callable[[], float]) -> None:
        self._writer = writer
        self._clock = clock
        self._minute = 0
        self._noted: Counter[str] = Counter()
        """Of this minute, by key, or by person for those who are signed in."""

    def note(self, principal: Principal, error: ApiError, *, request_id: str, model: str) -> None:
        """Have the refusal logged. Lines of batch jobs are not: they are asked again."""
        moment = int(self._clock())
        if moment // 60 != self._minute:
            self._minute = moment // 60
            self._noted.clear()
        caller = principal.api_key_id or principal.user_id
        if principal.batch_line is not None or self._noted[caller] >= MOST_A_MINUTE:
            return
        self._noted[caller] += 1
        event = UsageEvent(
            request_id=new_id(request_id.partition("_")[0]),  # a later attempt may have the request's own
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            api_key_id=principal.api_key_id,
            model=model,
            ended_at=moment,
            usage=Usage(0, 0),
            outcome="refused",
            latency_ms=0,
            first_token_ms=None,
            cost=0,
            price_id=None,
            error_code=error.code or error.type,
        )
        self._writer.submit(event)
