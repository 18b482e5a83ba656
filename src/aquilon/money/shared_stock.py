"""What this process may give to its requests of budgets and slots that it shares with other API processes.

What a process needs it claims in the database, ahead where that is allowed, so that
most requests ask nobody. A claim is decided alone among claims of one organization:
what was spent, what others hold and what is claimed stay within the limit. Spending
is taken off the claim in the transaction that records it.

A process lives as long as it counts on in the database. The others watch it, and
take it for dead when it stood still while they counted `MISSED_BEATS` on: what it
held is then free. No clock has a part in this, so none that jumps can harm, and
while the database is away nobody dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError

from aquilon.money.ledger import Line, Need
from aquilon.money.store import holds
from aquilon.money.usage_event import UsageEvent
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.storage import Database

BEAT_SECONDS = 5.0
MISSED_BEATS = 3
"""What a killed process held is free after at most one beat more than this: 20 seconds."""
_AHEAD = 16
"""So many times what one request wants is claimed at once."""
_SHARE = 8
"""But no more than this part of what is left, so that others find something."""
_REFUSED_SECONDS = 0.2
"""For so long, what could not be had is not asked for again."""

log = structlog.get_logger("aquilon.ledger")


class SharedStock:
    def __init__(self, database: Database) -> None:
        self.process_id = new_id("process")
        self._database = database
        self._held: dict[Line, int] = {}
        """As in the database; never more."""
        self._reserved: defaultdict[Line, int] = defaultdict(int)
        self._unrecorded: defaultdict[Line, int] = defaultdict(int)
        """Spent by requests that ended, and not yet on record."""
        self._limits: dict[Line, int] = {}
        """What each line was claimed under."""
        self._whose: dict[Line, str] = {}
        self._left: dict[Line, tuple[float, int]] = {}
        """When more was wanted than there was, and how much nobody held then."""
        self._slots: set[Line] = set()
        self._asked: set[Line] = set()
        """Lines that were used since the last beat."""
        self._turn = asyncio.Lock()
        self._seen: dict[str, tuple[int, int]] = {}
        """Of each other process how far it counted, and since how many beats of ours."""
        self._beating: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None
        self._joined = False

    @property
    def reserved(self) -> Mapping[Line, int]:
        return {line: amount for line, amount in self._reserved.items() if amount}

    async def start(self) -> None:
        """Raises DBAPIError where the database can't be written."""
        await self._join()
        self._beating = asyncio.create_task(self._beat_on())

    async def stop(self) -> None:
        for task in (self._beating, self._returning):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        with contextlib.suppress(DBAPIError):  # those that live on take it for dead
            async with self._database.writing() as session:
                await holds.leave(session, self.process_id)

    def free(self, line: Line, limit: int) -> int:
        return self._held.get(line, 0) - self._used(line)

    def left(self, line: Line, limit: int) -> int:
        _, left = self._left.get(line, (0.0, 0))
        return self.free(line, limit) + left

    def hold(self, line: Line, amount: int) -> None:
        self._reserved[line] += amount

    def release(self, line: Line, held: int, spent: int) -> None:
        self._reserved[line] -= held
        self._unrecorded[line] += spent
        if line in self._slots and (self._returning is None or self._returning.done()):
            self._returning = asyncio.create_task(self._give_back_slots())

    def recorded(self, events: Iterable[UsageEvent]) -> None:
        """These events are committed, and what they spent was taken off what is held."""
        for event in events:
            for line in event.budget_lines:
                self._unrecorded[line] -= event.cost
                self._held[line] = self._held.get(line, 0) - event.cost

    def dropped(self, events: Iterable[UsageEvent]) -> None:
        """These events will never be on record: what they spent is free again."""
        for event in events:
            for line in event.budget_lines:
                self._unrecorded[line] -= event.cost

    async def ready(self, organization_id: str, needs: Mapping[Line, Need]) -> None:
        """Raises DBAPIError where the database can't be asked."""
        self._asked.update(needs)
        while self._lacking(needs):  # another request may take what was claimed for this one
            await asyncio.shield(asyncio.create_task(self._claim(organization_id, needs)))

    async def beat(self) -> None:
        """Show that this process lives, take away those that don't, give back what nobody uses."""
        async with self._database.writing() as session:
            seen = await holds.beat(session, self.process_id)
        if seen is None:
            log.warning("This process was taken for dead by another one: it stood still, or the database was away")
            async with self._turn:
                await self._join()
            return
        self._seen = {
            id_: (beats, self._seen[id_][1] + 1 if self._seen.get(id_, (-1, 0))[0] == beats else 0)
            for id_, beats in seen.items()
            if id_ != self.process_id
        }
        for id_, (beats, still) in self._seen.items():
            if still >= MISSED_BEATS:
                async with self._database.writing() as session:
                    if await holds.bury(session, id_, beats):
                        log.warning("An API process has ended without giving back what it held", process=id_)
        idle = self._whose.keys() - self._asked
        self._asked.clear()
        await self._give_back(idle)

    def _used(self, line: Line) -> int:
        return self._reserved.get(line, 0) + self._unrecorded.get(line, 0)

    def _lacking(self, needs: Mapping[Line, Need]) -> bool:
        """Whether to ask: too little is here, or the limit is another than it was."""
        now = time.monotonic()
        for line, need in needs.items():
            if not need.wanted:
                continue
            if self._limits.get(line) == need.limit:
                free = self.free(line, need.limit)
                asked, left = self._left.get(line, (-_REFUSED_SECONDS, 0))
                lately = now - asked < _REFUSED_SECONDS
                if free >= need.wanted or (lately and (free >= need.least or free + left < need.least)):
                    continue
            return True
        return False

    async def _claim(self, organization_id: str, needs: Mapping[Line, Need]) -> None:
        async with self._turn:
            if not self._lacking(needs):
                return
            if not self._joined:
                await self._join()
            self._whose.update(dict.fromkeys(needs, organization_id))
            self._slots.update(line for line, need in needs.items() if not need.ahead)
            scope = Scope(organization_id)
            try:
                async with self._database.writing() as session:
                    taken = await holds.taken(session, scope, list(needs))
                    shares = {line: self._share(line, need, need.limit - taken[line]) for line, need in needs.items()}
                    await holds.change_holds(session, scope, self.process_id, shares)
            except IntegrityError:
                self._joined = False  # taken for dead: the next claim joins anew
                raise
            for line, share in shares.items():
                self._held[line] = self._held.get(line, 0) + share
                self._limits[line] = needs[line].limit
                self._left.pop(line, None)
                if self.free(line, 0) < needs[line].wanted:
                    self._left[line] = (time.monotonic(), max(0, needs[line].limit - taken[line] - share))

    def _share(self, line: Line, need: Need, left: int) -> int:
        """How much more to hold of a line of which so much is left; less, where its limit was lowered."""
        free = self.free(line, 0)
        if left < 0:
            return max(left, -free)
        wanted = need.wanted - free
        if need.ahead:
            wanted = max(wanted, min(need.wanted * _AHEAD, left // _SHARE))
        return max(0, min(left, wanted)) if free + left >= need.least else 0  # it may suffice elsewhere

    async def _give_back_slots(self) -> None:
        with contextlib.suppress(DBAPIError):  # the next beat says it again
            await self._give_back([line for line in self._slots if self.free(line, 0)])

    async def _give_back(self, lines: Iterable[Line]) -> None:
        """Keep of these lines what is used."""
        async with self._turn:
            changes: defaultdict[str, dict[Line, int]] = defaultdict(dict)
            unused: defaultdict[str, list[Line]] = defaultdict(list)
            for line in lines:
                if (whose := self._whose.get(line)) is None:
                    continue
                if (free := self.free(line, 0)) > 0:
                    changes[whose][line] = -free
                    self._held[line] -= free
                if not self._held.get(line) and not self._reserved[line] and not self._unrecorded[line]:
                    unused[whose].append(line)
            if not changes and not unused:
                return
            async with self._database.writing() as session:
                for whose in sorted(changes.keys() | unused.keys()):
                    used = {line: change for line, change in changes[whose].items() if line not in unused[whose]}
                    await holds.change_holds(session, Scope(whose), self.process_id, used)
                    await holds.forget_holds(session, Scope(whose), self.process_id, unused[whose])
            for line in [line for found in unused.values() for line in found]:
                if not self._reserved[line] and not self._unrecorded[line]:
                    self._forget(line)

    def _forget(self, line: Line) -> None:
        for known in (self._held, self._reserved, self._unrecorded, self._limits, self._whose, self._left):
            known.pop(line, None)
        self._slots.discard(line)

    async def _join(self) -> None:
        """Be counted among those that live, with what requests that run now hold."""
        async with self._database.writing() as session:
            await holds.join(session, self.process_id)
            for whose in set(self._whose.values()):
                lines = [line for line, owner in self._whose.items() if owner == whose]
                await holds.forget_holds(session, Scope(whose), self.process_id, lines)
                for line in lines:
                    self._held[line] = self._used(line)
                await holds.change_holds(
                    session, Scope(whose), self.process_id, {line: self._held[line] for line in lines}
                )
        self._joined = True

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.beat()
            except DBAPIError as error:
                log.warning("The database can't be used now: what this process holds stays as it is", error=str(error))
