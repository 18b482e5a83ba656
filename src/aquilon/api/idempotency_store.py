"""Idempotency keys: who answers a request now, and what it was answered, for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.jobs.tables import IdempotencyKey
from aquilon.people.scope import Everyone, Scope


@dataclass(frozen=True)
class KeyOwner:
    """Whose key it is: two may choose the same text."""

    organization_id: str
    owner: str
    key: str

    def mine(self) -> Any:
        table = IdempotencyKey
        return and_(table.owner == self.owner, table.key == self.key)


async def claim(
    session: AsyncSession, whose: KeyOwner, holder: str, fingerprint: str, *, now: int, lease: int, keep: int
) -> IdempotencyKey | None:
    """Take the key, for ``lease`` seconds and then ``keep``: None, or the row of whoever has it already.

    One statement decides: of two at once, one has it. On one machine, a lease beyond two
    that begin now was given before the clock was set back: nobody extends it.
    """
    table: Any = IdempotencyKey.__table__
    row = {
        "organization_id": whose.organization_id,
        "owner": whose.owner,
        "key": whose.key,
        "fingerprint": fingerprint,
        "holder": holder,
        "lease_until": now + lease,
        "answer": None,
        "size": 0,
        "expires_at": now + keep,
    }
    connection = await session.connection()
    insert: Any = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name].insert(table).values(row)
    taken_over = {name: insert.excluded[name] for name in row if name not in ("organization_id", "owner", "key")}
    over = table.c.lease_until <= now
    if connection.dialect.name == "sqlite":
        over = or_(over, table.c.lease_until > now + 2 * lease)
    abandoned = and_(table.c.holder.isnot(None), over)
    claimed = await connection.execute(
        insert.on_conflict_do_update(
            index_elements=list(table.primary_key), set_=taken_over, where=or_(table.c.expires_at <= now, abandoned)
        ).returning(table.c.key)
    )
    if claimed.first() is not None:
        return None
    return await session.scalar(Scope(whose.organization_id).select(IdempotencyKey).where(whose.mine()))


async def extend(session: AsyncSession, whose: KeyOwner, holder: str, until: int) -> None:
    await session.execute(_held(whose, holder).values(lease_until=until))


async def answer(session: AsyncSession, whose: KeyOwner, holder: str, sealed: bytes | None, expires_at: int) -> None:
    """Keep what the request was answered; None where that is too much to keep."""
    size = 0 if sealed is None else len(sealed)
    await session.execute(_held(whose, holder).values(holder=None, answer=sealed, size=size, expires_at=expires_at))


async def release(session: AsyncSession, whose: KeyOwner, holder: str) -> None:
    """The request may be sent again, as if for the first time."""
    delete = Scope(whose.organization_id).delete(IdempotencyKey)
    await session.execute(delete.where(whose.mine(), IdempotencyKey.holder == holder))


async def used(session: AsyncSession, organization_id: str) -> tuple[int, int]:
    """How many keys an organization has, and how many bytes of answers."""
    every = Scope(organization_id).select(IdempotencyKey)
    counted = every.with_only_columns(func.count(), func.coalesce(func.sum(IdempotencyKey.size), 0))
    count, size = (await session.execute(counted)).one()
    return int(count), int(size)


async def prune(session: AsyncSession, *, now: int, most: int) -> int:
    """Delete at most so many keys that are over; gives how many."""
    over = (
        Everyone.select(IdempotencyKey)
        .with_only_columns(IdempotencyKey.organization_id, IdempotencyKey.owner, IdempotencyKey.key)
        .where(IdempotencyKey.expires_at <= now)
        .limit(most)
    )
    rows = list(await session.execute(over))
    for organization_id, owner, key in rows:
        whose = KeyOwner(organization_id, owner, key)
        delete = Scope(organization_id).delete(IdempotencyKey)
        await session.execute(delete.where(whose.mine(), IdempotencyKey.expires_at <= now))
    return len(rows)


def _held(whose: KeyOwner, holder: str) -> Any:
    return Scope(whose.organization_id).update(IdempotencyKey).where(whose.mine(), IdempotencyKey.holder == holder)
