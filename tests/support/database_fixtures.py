"""Fixtures that run a test with a new SQLite and a new PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.databases import postgresql, postgresql_programs
from tests.support.homes import place_database, postgresql_database

from aquilon.settings import Settings
from aquilon.storage import Database


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL's server isn't installed: apt-get install postgresql")
    with postgresql(programs) as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Settings]:
    """A home with a database of its own: empty, or migrated already where the test takes ``database``."""
    migrated = "database" in request.fixturenames
    if request.param == "sqlite":
        if migrated:
            place_database(tmp_path)
        yield Settings(home=tmp_path)
        return
    async with postgresql_database(request.getfixturevalue("postgresql_server"), migrated=migrated) as url:
        yield Settings(home=tmp_path, database_url=url)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings)
    yield database
    await database.close()
