"""Fixtures that run a test with a new SQLite and a new PostgreSQL database."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.support.databases import postgresql, postgresql_programs

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
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A home with an empty database."""
    if request.param == "sqlite":
        return Settings(home=tmp_path)
    folder = request.getfixturevalue("postgresql_server")
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(host=folder, user="aquilon", database="postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return Settings(home=tmp_path, database_url=f"postgresql+asyncpg://aquilon@/{name}?host={folder}")


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings)
    yield database
    await database.close()
