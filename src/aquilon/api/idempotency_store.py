"""The rows of idempotency keys: which request holds a key now, and its answer until it expires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.jobs.tables import IdempotencyKey
from aquilon.people.scope import Everyone, Scope
from aquilon.storage.rows import insert_of


@dataclass(frozen=True)
class OwnedKey:
    """An idempotency key with its owner, an API key or a user: two owners may choose the same text."""

    organization_id: str
    owner: str
    key: str

    def matches(self) -> Any:
        """The condition on this key's row."""
        return and_(IdempotencyKey.owner == self.owner, IdempotencyKey.key == self.key)


async def claim(
    session: AsyncSession,
    owned_key: OwnedKey,
    holder: str,
    *,
    fingerprint: str,
    now: int,
    lease: int,
    keep: int,
) -> IdempotencyKey | None:
    """Take the key for ``lease`` seconds; its row expires after ``keep`` seconds. Returns None, or the row of the
    request that has the key already.

    A single statement decides, so only one of several concurrent requests gets the key. Over SQLite a lease that ends
    later than two leases from now was given before the clock was set back, and is abandoned.
    """
    table: Any = IdempotencyKey.__table__
    row = {
        "organization_id": owned_key.organization_id,
        "owner": owned_key.owner,
        "key": owned_key.key,
        "fingerprint": fingerprint,
        "holder": holder,
        "lease_until": now + lease,
        "answer": None,
        "size": 0,
        "expires_at": now + keep,
    }
    connection = await session.connection()
    insert: Any = insert_of(connection.dialect.name)(table).values(row)
    taken_over = {name: insert.excluded[name] for name in row if name not in ("organization_id", "owner", "key")}
    lease_ended = table.c.lease_until <= now
    if connection.dialect.name == "sqlite":
        lease_ended = or_(lease_ended, table.c.lease_until > now + 2 * lease)
    abandoned = and_(table.c.holder.isnot(None), lease_ended)
    claimed = await connection.execute(
        insert.on_conflict_do_update(
            index_elements=list(table.primary_key), set_=taken_over, where=or_(table.c.expires_at <= now, abandoned)
        ).returning(table.c.key)
    )
    if claimed.first() is not None:
        return None
    return await session.scalar(Scope(owned_key.organization_id).select(IdempotencyKey).where(owned_key.matches()))


async def extend(session: AsyncSession, owned_key: OwnedKey, holder: str, *, until: int) -> None:
    """Extend the holder's lease to ``until``, in unix seconds."""
    await session.execute(_held(owned_key, holder).values(lease_until=until))


async def answer(
    session: AsyncSession, owned_key: OwnedKey, holder: str, *, sealed: bytes | None, expires_at: int
) -> None:
    """Store the encrypted answer; None for an answer that is too large."""
    size = 0 if sealed is None else len(sealed)
    await session.execute(_held(owned_key, holder).values(holder=None, answer=sealed, size=size, expires_at=expires_at))


async def release(session: AsyncSession, owned_key: OwnedKey, holder: str) -> None:
    """Free the key: its request may be sent again, as if for the first time."""
    delete = Scope(owned_key.organization_id).delete(IdempotencyKey)
    await session.execute(delete.where(owned_key.matches(), IdempotencyKey.holder == holder))


async def used(session: AsyncSession, organization_id: str) -> tuple[int, int]:
    """How many keys an organization has, and how many bytes of answers."""
    keys = Scope(organization_id).select(IdempotencyKey)
    totals = keys.with_only_columns(func.count(), func.coalesce(func.sum(IdempotencyKey.size), 0))
    count, size = (await session.execute(totals)).one()
    return int(count), int(size)


async def prune(session: AsyncSession, *, now: int, most: int) -> int:
    """Delete at most ``most`` expired keys; returns how many were deleted."""
    expired = (
        Everyone.select(IdempotencyKey)
        .with_only_columns(IdempotencyKey.organization_id, IdempotencyKey.owner, IdempotencyKey.key)
        .where(IdempotencyKey.expires_at <= now)
        .limit(most)
    )
    rows = list(await session.execute(expired))
    for organization_id, owner, key in rows:
        owned_key = OwnedKey(organization_id, owner, key)
        delete = Scope(organization_id).delete(IdempotencyKey)
        await session.execute(delete.where(owned_key.matches(), IdempotencyKey.expires_at <= now))
    return len(rows)


def _held(owned_key: OwnedKey, holder: str) -> Any:
    """An update of the key's row while ``holder`` holds it."""
    return (
        Scope(owned_key.organization_id)
        .update(IdempotencyKey)
        .where(owned_key.matches(), IdempotencyKey.holder == holder)
    )
