from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.stored_runs import Process, Speaker, first_process

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.people import first_run
from aquilon.people.identity import Principal
from aquilon.settings import Settings
from aquilon.storage import Database


@pytest.fixture
async def process_and_speaker(settings: Settings, database: Database) -> AsyncIterator[tuple[Process, Speaker]]:
    async with first_process(settings, database) as both:
        yield both


@pytest.fixture
def process(process_and_speaker: tuple[Process, Speaker]) -> Process:
    return process_and_speaker[0]


@pytest.fixture
def speaker(process_and_speaker: tuple[Process, Speaker]) -> Speaker:
    return process_and_speaker[1]


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
