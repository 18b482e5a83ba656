"""Which request holds an idempotency key, on both databases."""

from __future__ import annotations

import asyncio

import pytest

from aquilon.api import idempotency_store as idempotency
from aquilon.api.idempotency_store import OwnedKey
from aquilon.people import first_run as accounts
from aquilon.storage import Database

LEASE, KEEP = 30, 86_400


@pytest.fixture
async def owned_key(database: Database) -> OwnedKey:
    await accounts.prepare_first_run(database)
    principal = await accounts.operator(database)
    return OwnedKey(principal.organization_id, "key_1", "the same text")


async def claim(database: Database, owned_key: OwnedKey, holder: str, *, now: int) -> bool:
    async with database.writing() as session:
        other = await idempotency.claim(
            session, owned_key, holder, fingerprint="print", now=now, lease=LEASE, keep=KEEP
        )
    return other is None


async def test_one_of_many_concurrent_requests_gets_the_key(database: Database, owned_key: OwnedKey) -> None:
    claims = await asyncio.gather(*(claim(database, owned_key, f"holder {number}", now=100) for number in range(10)))
    assert sum(claims) == 1


async def test_the_key_of_a_killed_process_is_free_when_its_lease_ends(database: Database, owned_key: OwnedKey) -> None:
    assert await claim(database, owned_key, "killed", now=100)
    assert not await claim(database, owned_key, "next", now=100 + LEASE - 1)
    assert await claim(database, owned_key, "next", now=100 + LEASE)
    async with database.writing() as session:
        # The first process was slow, not killed: its answer comes too late.
        await idempotency.answer(session, owned_key, "killed", sealed=b"too late", expires_at=100 + KEEP)
        await idempotency.release(session, owned_key, "killed")
        await idempotency.extend(session, owned_key, "next", until=100 + 3 * LEASE)
    assert not await claim(database, owned_key, "third", now=100 + 2 * LEASE)
    async with database.writing() as session:
        await idempotency.answer(session, owned_key, "next", sealed=b"answer", expires_at=100 + KEEP)
    assert not await claim(database, owned_key, "third", now=100 + 9 * LEASE)
    async with database.reading() as session:
        assert await idempotency.used(session, owned_key.organization_id) == (1, len(b"answer"))


async def test_a_clock_that_is_set_back_does_not_keep_the_key_of_a_killed_process(
    database: Database, owned_key: OwnedKey
) -> None:
    assert await claim(database, owned_key, "dead", now=100 + KEEP)
    if database.is_shared:  # another machine's clock may be ahead of ours
        assert not await claim(database, owned_key, "next", now=100)
        return
    assert await claim(database, owned_key, "next", now=100)
    assert not await claim(database, owned_key, "third", now=100 - LEASE + 1)


async def test_a_key_can_be_used_again_after_a_day(database: Database, owned_key: OwnedKey) -> None:
    assert await claim(database, owned_key, "first", now=100)
    async with database.writing() as session:
        await idempotency.answer(session, owned_key, "first", sealed=None, expires_at=100 + KEEP)
    assert not await claim(database, owned_key, "second", now=99 + KEEP)
    async with database.writing() as session:
        assert await idempotency.prune(session, now=99 + KEEP, most=9) == 0
        assert await idempotency.prune(session, now=100 + KEEP, most=9) == 1
    assert await claim(database, owned_key, "second", now=99 + KEEP)
