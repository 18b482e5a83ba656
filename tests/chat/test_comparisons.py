"""What is left of comparisons: questions as long as conversations are kept, and nothing of a deleted person."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

import pytest
from sqlalchemy import func

from aquilon.chat.comparisons import Comparisons
from aquilon.chat.tables.comparisons import ComparisonVote, StoredComparison
from aquilon.conversations.administration import set_retention
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.conversations.retention import DAY
from aquilon.errors import ApiError
from aquilon.generation.pipeline import Pipeline
from aquilon.money.open_charges import OpenCharges
from aquilon.people import first_run
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.people.tables import User
from aquilon.storage import Database


@pytest.fixture
async def person(database: Database) -> Principal:
    await first_run.prepare_first_run(database)
    return replace(await first_run.operator(database), user_id=(await first_run.user_of(database, "admin")).id)


@pytest.fixture
def comparisons(database: Database) -> Comparisons:
    """Without models to ask: what is stored already needs none."""
    charges = OpenCharges(database, process_id="here")
    return Comparisons(database, cast(Pipeline, None), Conversations(database, Histories()), open_charges=charges)


async def stored(database: Database, person: Principal, *, days_ago: int = 0, answered: bool = True) -> str:
    row = StoredComparison(
        id=new_id("cmp"),
        organization_id=person.organization_id,
        workspace_id=person.workspace_id,
        user_id=person.user_id,
        visibility="user",
        blind=True,
        answered=answered,
        left_model="a",
        right_model="b",
        left_side='{"model":"a"}',
        right_side='{"model":"b"}',
        prompt='"Why?"',
        created_at=int(time.time()) - days_ago * DAY - 1,
    )
    async with database.writing() as session:
        session.add(row)
    return row.id


async def test_a_question_is_kept_as_long_as_conversations_and_its_vote_beyond(
    database: Database, person: Principal, comparisons: Comparisons
) -> None:
    young, old = await stored(database, person), await stored(database, person, days_ago=7)
    await comparisons.vote(person, old, "left")
    assert await comparisons.prune() == 0
    await set_retention(database, person, 7)
    assert (await comparisons.get(person, old)).comparison.prompt is None  # at once, before it is pruned
    assert await comparisons.prune() == 1
    async with database.reading() as session:
        prompts = {row.id: row.prompt for row in await session.scalars(Scope.of_user(person).select(StoredComparison))}
    assert prompts == {young: '"Why?"', old: None}
    [best, _] = await comparisons.leaderboard(person, settings=False, blind=True)
    assert (best.player, best.votes) == ("a", 1)


async def test_a_comparison_that_was_not_answered_is_deleted_after_a_day(
    database: Database, person: Principal, comparisons: Comparisons
) -> None:
    fresh, left = [await stored(database, person, days_ago=days, answered=False) for days in (0, 1)]
    assert await comparisons.prune() == 1
    assert (await comparisons.get(person, fresh)).comparison.answered is False
    with pytest.raises(ApiError) as missing:
        await comparisons.get(person, left)
    assert missing.value.status == 404


async def test_nothing_of_a_person_s_comparisons_outlives_the_person(
    database: Database, person: Principal, comparisons: Comparisons
) -> None:
    await comparisons.vote(person, await stored(database, person), "tie")
    scope = Scope.of_organization(person)
    async with database.writing() as session:
        await session.execute(scope.delete(User).where(User.id == person.user_id))
    async with database.reading() as session:
        for table in (StoredComparison, ComparisonVote):
            assert await session.scalar(scope.select(table).with_only_columns(func.count())) == 0
