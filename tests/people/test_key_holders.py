"""What is remembered of keys is right at every moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event
from tests.support.polling import until

from aquilon.people import first_run as operator
from aquilon.people.administration import keys, members, workspaces
from aquilon.people.administration.members import UserChanges
from aquilon.people.holders import KeyHolders
from aquilon.settings import Settings
from aquilon.storage import Database


@contextmanager
def queries(database: Database) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(database._engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def secret(database: Database) -> str:
    first = await operator.prepare_first_run(database)
    assert first is not None
    return first.api_key


async def test_a_known_key_costs_no_query(database: Database, secret: str) -> None:
    holders = KeyHolders(database)
    found = await holders.of(secret)
    with queries(database) as asked:
        for _ in range(10):
            assert await holders.of(secret) is found
    assert asked == []


async def test_its_use_is_recorded_once_a_minute(database: Database, secret: str) -> None:
    holders = KeyHolders(database)
    for _ in range(3):
        await holders.of(secret)
    [(key, _)] = await keys.visible(database, await operator.operator(database))
    assert key.last_used_at is not None
    assert key.last_used_at >= time.time() - 60


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_revocation_holds_at_once_by_whichever_process(
    settings: Settings, database: Database, secret: str, elsewhere: bool
) -> None:
    holders = KeyHolders(database)
    assert await holders.of(secret) is not None
    other = await Database.open(settings) if elsewhere else database
    actor = await operator.operator(other)
    [(key, _)] = await keys.visible(other, actor)
    await keys.revoke(other, actor, key.id)
    assert await holders.of(secret) is None
    if elsewhere:
        await other.close()


async def test_a_revocation_on_another_machine_is_heard_of(
    settings: Settings, database: Database, secret: str, tmp_path: Path
) -> None:
    if settings.database_url is None:
        pytest.skip("a SQLite file is on one machine")
    database.listen()
    await until(lambda: database.changes.heard)
    holders = KeyHolders(database)
    assert await holders.of(secret) is not None
    other = await Database.open(Settings(home=tmp_path / "elsewhere", database_url=settings.database_url))
    actor = await operator.operator(other)
    [(key, _)] = await keys.visible(other, actor)
    begun = database.changes.now()
    await keys.revoke(other, actor, key.id)
    await until(lambda: database.changes.now().version != begun.version)
    assert await holders.of(secret) is None
    assert time.monotonic() - begun.at < 1
    await other.close()


async def test_a_change_of_role_workspace_or_account_holds_at_once(database: Database, secret: str) -> None:
    holders = KeyHolders(database)
    actor = await operator.operator(database)
    dora = (await members.create(database, actor, "dora", role="developer")).user
    place = await workspaces.create(database, actor, "research")
    await workspaces.set_member(database, actor, place.id, user_id=dora.id, role="developer")
    made = await keys.create(database, actor, "dora's", workspace=place.id, user_id=dora.id)

    async def role() -> str | None:
        found = await holders.of(made.secret)
        assert found is not None
        return found.principal.workspace_role

    assert await role() == "developer"
    await workspaces.set_member(database, actor, place.id, user_id=dora.id, role="billing")
    assert await role() == "billing"
    await workspaces.remove_member(database, actor, place.id, user_id=dora.id)
    assert await role() is None
    await members.change(database, actor, dora.id, changes=UserChanges(disabled=True))
    assert await holders.of(made.secret) is None
    await members.change(database, actor, dora.id, changes=UserChanges(disabled=False))
    assert await holders.of(made.secret) is not None
    await workspaces.archive(database, actor, place.id)
    assert await holders.of(made.secret) is None
    assert await holders.of(secret) is not None


async def test_a_key_that_expires_is_forgotten_by_the_clock(database: Database, secret: str) -> None:
    holders = KeyHolders(database)
    actor = await operator.operator(database)
    limits = keys.KeyLimits(expires_at=int(time.time()) + 1000)
    user = await operator.user_of(database)
    made = await keys.create(database, actor, "brief", user_id=user.id, limits=limits)
    found = await holders.of(made.secret)
    assert found is not None
    assert found.expires_at == limits.expires_at
    known = holders._known[next(digest for digest, each in holders._known.items() if each.holder is found)]
    assert holders._holds(known)
    object.__setattr__(found, "expires_at", int(time.time()))
    assert not holders._holds(known)
