from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.libraries.shelf import Shelf, shelf_on

from aquilon.settings import Settings
from aquilon.storage import Database


@pytest.fixture
async def shelf(settings: Settings, database: Database) -> AsyncIterator[Shelf]:
    async with shelf_on(settings, database) as shelf:
        yield shelf
