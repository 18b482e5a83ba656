"""The cache of keys' holders is right at every moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event
from tests.support.polling import until

from aquilon.people import first_run
from aquilon.people.administration import keys, members, workspaces
from aquilon.people.administration.members import UserChanges
from aquilon.people.holders import KeyHolders
from aquilon.settings import Settings
from aquilon.storage import Database


@contextmanager
def queries(database: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    yield statements
    event.remove(database._engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def secret(database: Database) -> str:
    first = await first_run.prepare_first_run(database)
    assert first is not None
    return first.api_key


async def test_a_known_key_costs_no_query(database: Database, secret: str) -> None:
    holders = KeyHolders(database)
    holder = await holders.of(secret)
    with queries(database) as statements:
        for _ in range(10):
            assert await holders.of(secret) is holder
    assert statements == []


async def test_a_key_s_use_is_recorded_once_a_minute(database: Database, secret: str) -> None:
    holders = KeyHolders(database)
    for _ in range(3):
        await holders.of(secret)
    [(key, _)] = await keys.visible(database, await first_run.operator(database))
    assert key.last_used_at is not None
    assert key.last_used_at >= time.time() - 60


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_revocation_by_any_process_takes_effect_at_once(
    settings: Settings, database: Database, secret: str, elsewhere: bool
) -> None:
    holders = KeyHolders(database)
    assert await holders.of(secret) is not None
    other = await Database.open(settings) if elsewhere else database
    actor = await first_run.operator(other)
    [(key, _)] = await keys.visible(other, actor)
    await keys.revoke(other, actor, key.id)
    assert await holders.of(secret) is None
    if elsewhere:
        await other.close()


async def test_a_revocation_on_another_machine_takes_effect_at_once(
    settings: Settings, database: Database, secret: str, tmp_path: Path
) -> None:
    if settings.database_url is None:
        pytest.skip("a SQLite file is on one machine")
    database.listen()
    await until(lambda: database.changes.heard)
    holders = KeyHolders(database)
    assert await holders.of(secret) is not None
    other = await Database.open(Settings(home=tmp_path / "elsewhere", database_url=settings.database_url))
    actor = await first_run.operator(other)
    [(key, _)] = await keys.visible(other, actor)
    before = database.changes.now()
    await keys.revoke(other, actor, key.id)
    await until(lambda: database.changes.now().version != before.version)
    assert await holders.of(secret) is None
    await other.close()


async def test_a_change_of_role_workspace_or_account_takes_effect_at_once(database: Database, secret: str) -> None:
    holders = KeyHolders(database)
    actor = await first_run.operator(database)
    dora = (await members.create(database, actor, "dora", role="developer")).user
    research = await workspaces.create(database, actor, "research")
    await workspaces.set_member(database, actor, research.id, user_id=dora.id, role="developer")
    key = await keys.create(database, actor, "dora's", workspace=research.id, user_id=dora.id)

    async def role() -> str | None:
        holder = await holders.of(key.secret)
        assert holder is not None
        return holder.principal.workspace_role

    assert await role() == "developer"
    await workspaces.set_member(database, actor, research.id, user_id=dora.id, role="billing")
    assert await role() == "billing"
    await workspaces.remove_member(database, actor, research.id, user_id=dora.id)
    assert await role() is None
    await members.change(database, actor, dora.id, changes=UserChanges(disabled=True))
    assert await holders.of(key.secret) is None
    await members.change(database, actor, dora.id, changes=UserChanges(disabled=False))
    assert await holders.of(key.secret) is not None
    await workspaces.archive(database, actor, research.id)
    assert await holders.of(key.secret) is None
    assert await holders.of(secret) is not None


async def test_a_cached_key_is_not_valid_after_it_expires(database: Database, secret: str) -> None:
    holders = KeyHolders(database)
    actor = await first_run.operator(database)
    limits = keys.KeyLimits(expires_at=int(time.time()) + 1000)
    user = await first_run.user_of(database)
    key = await keys.create(database, actor, "brief", user_id=user.id, limits=limits)
    holder = await holders.of(key.secret)
    assert holder is not None
    assert holder.expires_at == limits.expires_at
    [entry] = [entry for entry in holders._entries.values() if entry.holder is holder]
    assert holders._is_current(entry)
    object.__setattr__(holder, "expires_at", int(time.time()))
    assert not holders._is_current(entry)
