"""Pages of people, keys and invitations: every row once, and none read that isn't asked for, on both databases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import insert
from tests.support.counted_rows import counted

from aquilon.people import first_run
from aquilon.people.administration import invitations, keys, members
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.people.tables import ApiKey, Invitation, User
from aquilon.storage import Database

ROWS = 250
PAGE = 100
Page = Callable[..., Awaitable[Sequence[Any]]]


@pytest.fixture
async def caller(database: Database) -> Principal:
    """Who has many people, keys and invitations, all of one second."""
    await first_run.prepare_first_run(database)
    operator = await first_run.operator(database)
    [owner] = await members.visible(database, operator)
    [(key, _)] = await keys.visible(database, operator)
    common = {"organization_id": owner.organization_id, "created_at": 1}
    numbers = range(ROWS)
    people = [
        {"id": new_id("user"), "name": f"p{number}", "role": "member", "email_vouched": False} for number in numbers
    ]
    of_owner = {"user_id": owner.id, "workspace_id": key.workspace_id, "scopes": ["inference"], "prefix": "aq-x"}
    access = [{"id": new_id("key"), "name": f"k{number}", **of_owner} for number in numbers]
    of_all = {"role": "member", "workspace_ids": [], "note": "", "created_by": owner.id}
    of_all |= {"expires_at": 2, "uses": 1, "used": 0}
    links = [{"id": new_id("invitation"), "token_sha256": str(number), **of_all} for number in numbers]
    async with database.writing() as session:
        for table, rows in ((User, people), (ApiKey, access), (Invitation, links)):
            await session.execute(insert(table), [common | row for row in rows])
    return operator


async def people_of(database: Database, caller: Principal, **page: Any) -> Sequence[Any]:
    return await members.visible(database, caller, **page)


async def keys_of(database: Database, caller: Principal, **page: Any) -> Sequence[Any]:
    return [key for key, _ in await keys.visible(database, caller, **page)]


async def invitations_of(database: Database, caller: Principal, **page: Any) -> Sequence[Any]:
    return await invitations.visible(database, caller, **page)


@pytest.mark.parametrize("rows_of", [people_of, keys_of, invitations_of])
async def test_pages_hold_each_row_once_and_read_no_other(database: Database, caller: Principal, rows_of: Page) -> None:
    every = [row.id for row in await rows_of(database, caller)]
    seen: list[str] = []
    while len(seen) < len(every):
        with counted(database) as count:
            page = await rows_of(database, caller, after=seen[-1] if seen else None, limit=PAGE)
        assert count.rows <= PAGE + 1  # and the one that it follows
        seen += [row.id for row in page]
    assert seen == every
    assert len(set(seen)) >= ROWS


@pytest.mark.parametrize("rows_of", [people_of, keys_of, invitations_of])
async def test_behind_a_row_that_is_gone_the_list_begins_anew(
    database: Database, caller: Principal, rows_of: Page
) -> None:
    first, *_ = await rows_of(database, caller, limit=1)
    [again] = await rows_of(database, caller, after="gone", limit=1)
    assert again.id == first.id
