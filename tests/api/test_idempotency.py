"""Whose turn it is under an idempotency key, on both databases."""

from __future__ import annotations

import asyncio

import pytest

from aquilon.api import idempotency_store as idempotency
from aquilon.api.idempotency_store import KeyOwner
from aquilon.people import first_run as accounts
from aquilon.storage import Database

LEASE, KEEP = 30, 86_400


@pytest.fixture
async def whose(database: Database) -> KeyOwner:
    await accounts.prepare_first_run(database)
    principal = await accounts.operator(database)
    return KeyOwner(principal.organization_id, "key_1", "one and the same")


async def claim(database: Database, whose: KeyOwner, holder: str, now: int) -> bool:
    async with database.writing() as session:
        other = await idempotency.claim(session, whose, holder, "print", now=now, lease=LEASE, keep=KEEP)
    return other is None


async def test_of_many_at_once_one_has_the_turn(database: Database, whose: KeyOwner) -> None:
    had = await asyncio.gather(*(claim(database, whose, f"holder {number}", 100) for number in range(10)))
    assert sum(had) == 1


async def test_a_kill_frees_the_key_when_its_lease_is_over(database: Database, whose: KeyOwner) -> None:
    assert await claim(database, whose, "killed", 100)
    assert not await claim(database, whose, "next", 100 + LEASE - 1)
    assert await claim(database, whose, "next", 100 + LEASE)
    async with database.writing() as session:
        await idempotency.answer(session, whose, "killed", b"too late", 100 + KEEP)  # was not dead, just slow
        await idempotency.release(session, whose, "killed")
        await idempotency.extend(session, whose, "next", 100 + 3 * LEASE)
    assert not await claim(database, whose, "third", 100 + 2 * LEASE)
    async with database.writing() as session:
        await idempotency.answer(session, whose, "next", b"answer", 100 + KEEP)
    assert not await claim(database, whose, "third", 100 + 9 * LEASE)
    async with database.reading() as session:
        assert await idempotency.used(session, whose.organization_id) == (1, len(b"answer"))


async def test_a_clock_that_is_set_back_does_not_keep_a_dead_process_s_key(database: Database, whose: KeyOwner) -> None:
    assert await claim(database, whose, "dead", 100 + KEEP)
    if database.is_shared:  # another machine's clock may be ahead of ours
        assert not await claim(database, whose, "next", 100)
        return
    assert await claim(database, whose, "next", 100)
    assert not await claim(database, whose, "third", 100 - LEASE + 1)


async def test_a_key_is_new_again_after_a_day(database: Database, whose: KeyOwner) -> None:
    assert await claim(database, whose, "first", 100)
    async with database.writing() as session:
        await idempotency.answer(session, whose, "first", None, 100 + KEEP)
    assert not await claim(database, whose, "second", 99 + KEEP)
    async with database.writing() as session:
        assert await idempotency.prune(session, now=99 + KEEP, most=9) == 0
        assert await idempotency.prune(session, now=100 + KEEP, most=9) == 1
    assert await claim(database, whose, "second", 99 + KEEP)
