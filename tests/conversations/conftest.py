from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.stored_runs import Process, Speaker, first_process

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
