"""What this process may give to its requests of budgets and slots that several API processes share.

A process claims what it needs in the database, ahead of need where that is allowed,
so that most requests need no claim. A lock serialises the claims of one organization:
spent, held by others and claimed together stay within the limit. The transaction that
records spending also subtracts it from what is held.

Each process increments its beat counter in the database. Another process considers it
dead, and frees what it held, when that counter has not changed for `MISSED_BEATS` of
its own beats. No clock is compared, so a clock that jumps does no harm, and no process
is considered dead while the database is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy.exc import DBAPIError, IntegrityError

from aquilon.log import get_logger
from aquilon.money.ledger import Line, Need
from aquilon.money.store import holds
from aquilon.money.usage_event import UsageEvent
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.storage import Database

BEAT_SECONDS = 5.0
MISSED_BEATS = 3
"""What a killed process held is free at most one beat later than this: after 20 seconds."""
_AHEAD = 16
"""How many times the need of one request is claimed ahead."""
_SHARE = 8
"""At most this fraction (an eighth) of what is left is claimed ahead, so that other processes find some."""
_REFUSED_SECONDS = 0.2
"""How long a claim is not repeated after it got less than it needed."""

log = get_logger("aquilon.ledger")


class SharedStock:
    def __init__(self, database: Database) -> None:
        self.process_id = new_id("process")
        self._database = database
        self._held: dict[Line, int] = {}
        """What the database has for this process, or less."""
        self._reserved: defaultdict[Line, int] = defaultdict(int)
        self._unrecorded: defaultdict[Line, int] = defaultdict(int)
        """Spent by requests that have ended, and not recorded yet."""
        self._limits: dict[Line, int] = {}
        """The limit under which each line was claimed."""
        self._owners: dict[Line, str] = {}
        self._left: dict[Line, tuple[float, int]] = {}
        """For a claim that got less than it needed: when that was, and how much remained unclaimed."""
        self._slots: set[Line] = set()
        self._used_lines: set[Line] = set()
        """Lines that requests needed since the last beat."""
        self._turn = asyncio.Lock()
        self._seen: dict[str, tuple[int, int]] = {}
        """For each other process, its beat counter and how many beats of ours it has not changed."""
        self._beating: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None
        self._joined = False

    @property
    def reserved(self) -> Mapping[Line, int]:
        return {line: amount for line, amount in self._reserved.items() if amount}

    async def start(self) -> None:
        """Raises DBAPIError if the database can't be written."""
        await self._join()
        self._beating = asyncio.create_task(self._beat_on())

    async def stop(self) -> None:
        for task in (self._beating, self._returning):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        with contextlib.suppress(DBAPIError):  # the other processes will consider this one dead
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
        """Note that these events are committed, and that their transaction subtracted them from what is held."""
        for event in events:
            for line, spent in _spent_of(event):
                self._unrecorded[line] -= spent
                self._held[line] = self._held.get(line, 0) - spent

    def dropped(self, events: Iterable[UsageEvent]) -> None:
        """Note that these events will never be recorded: what they spent is free again."""
        for event in events:
            for line, spent in _spent_of(event):
                self._unrecorded[line] -= spent

    async def ready(self, organization_id: str, needs: Mapping[Line, Need]) -> None:
        """Raises DBAPIError if the database can't be asked."""
        self._used_lines.update(needs)
        while self._must_claim(needs):  # another request may take what was claimed for this one
            await asyncio.shield(asyncio.create_task(self._claim(organization_id, needs)))

    async def beat(self) -> None:
        """Show that this process lives, remove dead processes, and return lines unused since the last beat."""
        async with self._database.writing() as session:
            beats_of = await holds.beat(session, self.process_id)
        if beats_of is None:
            log.warning("This process was taken for dead by another one: it stood still, or the database was away")
            async with self._turn:
                await self._join()
            return
        self._seen = {
            id_: (beats, self._seen[id_][1] + 1 if self._seen.get(id_, (-1, 0))[0] == beats else 0)
            for id_, beats in beats_of.items()
            if id_ != self.process_id
        }
        for id_, (beats, missed) in self._seen.items():
            if missed >= MISSED_BEATS:
                async with self._database.writing() as session:
                    if await holds.remove_dead(session, id_, beats):
                        log.warning("An API process has ended without giving back what it held", process=id_)
        idle = self._owners.keys() - self._used_lines
        self._used_lines.clear()
        await self._give_back(idle)

    def _used(self, line: Line) -> int:
        return self._reserved.get(line, 0) + self._unrecorded.get(line, 0)

    def _must_claim(self, needs: Mapping[Line, Need]) -> bool:
        """Whether this process holds too little of a line, or a limit has changed."""
        now = time.monotonic()
        for line, need in needs.items():
            if not need.preferred:
                continue
            if self._limits.get(line) == need.limit:
                free = self.free(line, need.limit)
                refused_at, left = self._left.get(line, (-_REFUSED_SECONDS, 0))
                recently = now - refused_at < _REFUSED_SECONDS
                if free >= need.preferred or (recently and (free >= need.least or free + left < need.least)):
                    continue
            return True
        return False

    async def _claim(self, organization_id: str, needs: Mapping[Line, Need]) -> None:
        async with self._turn:
            if not self._must_claim(needs):
                return
            if not self._joined:
                await self._join()
            self._owners.update(dict.fromkeys(needs, organization_id))
            self._slots.update(line for line, need in needs.items() if not need.ahead)
            scope = Scope(organization_id)
            try:
                async with self._database.writing() as session:
                    taken = await holds.lock_and_sum(session, scope, list(needs))
                    shares = {line: self._share(line, need, need.limit - taken[line]) for line, need in needs.items()}
                    await holds.change_holds(session, scope, self.process_id, changes=shares)
            except IntegrityError:
                self._joined = False  # another process removed this one: the next claim joins again
                raise
            for line, share in shares.items():
                self._held[line] = self._held.get(line, 0) + share
                self._limits[line] = needs[line].limit
                self._left.pop(line, None)
                if self.free(line, 0) < needs[line].preferred:
                    self._left[line] = (time.monotonic(), max(0, needs[line].limit - taken[line] - share))

    def _share(self, line: Line, need: Need, left: int) -> int:
        """How much more to hold of a line of which ``left`` is unclaimed; negative after its limit was lowered."""
        free = self.free(line, 0)
        if left < 0:
            return max(left, -free)
        more = need.preferred - free
        if need.ahead:
            more = max(more, min(need.preferred * _AHEAD, left // _SHARE))
        return max(0, min(left, more)) if free + left >= need.least else 0  # another process may need less

    async def _give_back_slots(self) -> None:
        with contextlib.suppress(DBAPIError):  # the next beat tries again
            await self._give_back([line for line in self._slots if self.free(line, 0)])

    async def _give_back(self, lines: Iterable[Line]) -> None:
        """Return what no request uses of these lines."""
        async with self._turn:
            changes: defaultdict[str, dict[Line, int]] = defaultdict(dict)
            unused: defaultdict[str, list[Line]] = defaultdict(list)
            for line in lines:
                if (owner := self._owners.get(line)) is None:
                    continue
                if (free := self.free(line, 0)) > 0:
                    changes[owner][line] = -free
                    self._held[line] -= free
                if not self._held.get(line) and not self._reserved[line] and not self._unrecorded[line]:
                    unused[owner].append(line)
            if not changes and not unused:
                return
            async with self._database.writing() as session:
                for owner in sorted(changes.keys() | unused.keys()):
                    scope = Scope(owner)
                    used = {line: change for line, change in changes[owner].items() if line not in unused[owner]}
                    await holds.change_holds(session, scope, self.process_id, changes=used)
                    await holds.remove_holds(session, scope, self.process_id, lines=unused[owner])
            for line in [line for lines_of_owner in unused.values() for line in lines_of_owner]:
                if not self._reserved[line] and not self._unrecorded[line]:
                    self._forget(line)

    def _forget(self, line: Line) -> None:
        for amounts in (self._held, self._reserved, self._unrecorded, self._limits, self._owners, self._left):
            amounts.pop(line, None)
        self._slots.discard(line)

    async def _join(self) -> None:
        """Register this process, with what its running requests hold."""
        async with self._database.writing() as session:
            await holds.join(session, self.process_id)
            for organization_id in set(self._owners.values()):
                scope = Scope(organization_id)
                lines = [line for line, owner in self._owners.items() if owner == organization_id]
                await holds.remove_holds(session, scope, self.process_id, lines=lines)
                for line in lines:
                    self._held[line] = self._used(line)
                await holds.change_holds(
                    session, scope, self.process_id, changes={line: self._held[line] for line in lines}
                )
        self._joined = True

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.beat()
            except DBAPIError as error:
                log.warning("The database can't be used now: what this process holds stays as it is", error=str(error))


def _spent_of(event: UsageEvent) -> Iterable[tuple[Line, int]]:
    yield from ((line, event.cost) for line in event.budget_lines)
    yield from (((line_id, starts_at), used) for line_id, starts_at, used in event.quota_lines)
