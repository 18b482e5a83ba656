"""A queue in a table: each row is leased to the server process that works on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import func, inspect, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped

from aquilon.people.scope import Everyone, Scope
from aquilon.storage.base import Owned

Key = tuple[Any, ...]
"""The values of a row's primary key."""
NO_LEASE: dict[str, Any] = {"lease_owner": None, "lease_until": 0}


class LeaseLost(Exception):
    """The row is another process's now, or its work was ended or deleted: whoever worked on it records nothing more."""


class Queued(Owned):
    """A row that server processes work on, one at a time."""

    organization_id: Mapped[str]
    status: Mapped[str]
    created_at: Mapped[int]
    lease_owner: Mapped[str | None]
    """The process that works on the row. Only it may record what it has done."""
    lease_until: Mapped[int]
    """Unix seconds."""


Row = TypeVar("Row", bound=Queued)


class Queue(Generic[Row]):
    def __init__(self, table: type[Row], *, worked_on: Collection[str], order: Sequence[Any] = ()) -> None:
        """``worked_on`` are the statuses in which a process has work with a row. ``order``: expressions by which the
        rows of one organization are claimed before their age counts."""
        self._table: Any = table
        self._worked_on = worked_on
        self._order = tuple(order)
        self._mapper = inspect(table)
        self._key = tuple(self._mapper.primary_key)

    def key(self, row: Row) -> Key:
        return tuple(self._mapper.primary_key_from_instance(row))

    async def counts(self, session: AsyncSession) -> dict[str, int]:
        """How many rows of all organizations have each status in which there is work."""
        table = self._table
        query = Everyone.select(table).where(table.status.in_(self._worked_on)).group_by(table.status)
        rows = await session.execute(query.with_only_columns(table.status, func.count().label("number")))
        return {row.status: row.number for row in rows}

    async def claim(
        self,
        session: AsyncSession,
        owner: str,
        *,
        now: int,
        until: int,
        others_too: bool,
        most: int,
        statuses: Collection[str] | None = None,
        running: Collection[str] = (),
    ) -> list[Row]:
        """Lease at most ``most`` rows that no process works on; with ``others_too``, also those that others work on.
        ``statuses`` narrows them.

        A lease that ends later than two leases from now was given before the clock was set
        back, and is ignored. This holds on one machine only, hence for SQLite.

        Organizations take turns, so that none waits for all rows of another. ``running`` has
        the organization of each row that the owner works on already.
        """
        table = self._table
        free = or_(table.lease_owner.is_(None), table.lease_until <= now)
        if (await session.connection()).dialect.name == "sqlite":
            free = or_(free, table.lease_until > until + (until - now))
        if others_too:
            free = or_(free, table.lease_owner != owner)
        waiting = Everyone.select(table).where(table.status.in_(statuses or self._worked_on), free)
        order = (*self._order, table.created_at, *self._key)
        turn = func.row_number().over(partition_by=table.organization_id, order_by=order)
        columns = (*self._key, table.organization_id, table.created_at, turn.label("turn"))
        candidates = waiting.with_only_columns(*columns).subquery()
        firsts = await session.execute(select(candidates).where(candidates.c.turn <= most))
        busy = Counter(running)
        ranked = sorted(firsts, key=lambda row: (busy[row.organization_id] + row.turn, row.created_at, *row))
        keys = [tuple(row)[: len(self._key)] for row in ranked[:most]]
        query = waiting.where(tuple_(*self._key).in_(keys)).order_by(table.created_at, *self._key)
        claimed = list(await session.scalars(query.with_for_update(skip_locked=True)))
        for row in claimed:
            row.lease_owner, row.lease_until = owner, until
        await session.flush()
        return claimed

    async def renew(self, session: AsyncSession, owner: str, until: int) -> dict[Key, str]:
        """Renew this owner's leases of rows that it still has work with; returns the status of each."""
        table = self._table
        rows = await session.execute(
            Everyone.update(table)
            .where(table.lease_owner == owner, table.status.in_(self._worked_on))
            .values(lease_until=until)
            .returning(*self._key, table.status)
            .execution_options(synchronize_session=False)
        )
        return {tuple(row)[:-1]: row.status for row in rows}

    async def release(self, session: AsyncSession, owner: str, row: Row | None = None) -> None:
        """Release this owner's leases, or that of one row."""
        update = Everyone.update(self._table).where(self._table.lease_owner == owner)
        if row is not None:
            update = update.where(*self._is(row))
        await session.execute(update.values(**NO_LEASE).execution_options(synchronize_session=False))

    async def change(
        self,
        session: AsyncSession,
        row: Row,
        owner: str,
        *,
        when: Collection[str] | None = None,
        values: dict[str, Any],
    ) -> bool:
        """Change a row. False, without a change, if this owner no longer has its lease, or its status isn't one of
        ``when``: by default one in which there is work."""
        table = self._table
        ours = (*self._is(row), table.lease_owner == owner, table.created_at == row.created_at)
        changed = await session.execute(
            Scope(row.organization_id)
            .update(table)
            .where(*ours, table.status.in_(when or self._worked_on))
            .values(**values)
            .returning(table.status)
            .execution_options(synchronize_session=False)
        )
        return changed.first() is not None

    def _is(self, row: Row) -> list[Any]:
        return [column == value for column, value in zip(self._key, self.key(row), strict=True)]
