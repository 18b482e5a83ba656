"""The errors that clients get for a database's errors."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from aquilon.api.errors import api_error
from aquilon.people.store import accounts
from aquilon.storage import Database


async def test_a_nul_character_in_a_name_is_refused_with_400(database: Database) -> None:
    """SQLite has no such user, PostgreSQL refuses the query: neither means that the database is away."""
    refused = None
    try:
        async with database.reading() as session:
            assert (await accounts.claimants(session, "a\0b")).users == ()
    except DBAPIError as error:
        refused = api_error(error)
    assert refused is None or (refused.status, refused.code) == (400, "invalid_characters")
