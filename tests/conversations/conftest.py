from __future__ import annotations

from dataclasses import replace

import pytest

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.people import first_run
from aquilon.people.identity import Principal
from aquilon.storage import Database


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database, Histories())


@pytest.fixture
async def person(database: Database) -> Principal:
    """The first organization's owner, signed in."""
    await first_run.prepare_first_run(database)
    return replace(await first_run.operator(database), user_id=(await first_run.user_of(database, "admin")).id)


@pytest.fixture
def key(person: Principal) -> Principal:
    """A key of the same person's."""
    return replace(person, api_key_id="key_1")
