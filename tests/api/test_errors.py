"""What a client is told of a database's own errors."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from aquilon.api.errors import api_error
from aquilon.people.store import accounts
from aquilon.storage import Database


async def test_a_nul_in_a_name_is_the_client_s_mistake(database: Database) -> None:
    """SQLite finds nobody of that name, PostgreSQL refuses to look: neither is a database that is away."""
    refused = None
    try:
        async with database.reading() as session:
            assert await accounts.users_signing_in(session, "a\0b") == []
    except DBAPIError as error:
        refused = api_error(error)
    assert refused is None or (refused.status, refused.code) == (400, "invalid_characters")
