"""What clients are told by a database that can't be written."""

from __future__ import annotations

import errno
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from aquilon.storage.unwritable import unwritable


def full_database() -> sqlite3.Error:
    """The error of a real database that may not grow."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    return full.value


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_named(wrapped: bool) -> None:
    error = full_database()
    refusal = unwritable(OperationalError("", None, error) if wrapped else error)
    assert refusal is not None
    assert (refusal.status, refusal.type, refusal.code) == (503, "overloaded", "disk_full")


def test_any_other_error_of_a_database_says_that_it_can_t_be_used() -> None:
    refusal = unwritable(OperationalError("", None, sqlite3.OperationalError("at /srv/secret.db")), retry_after=7)
    assert refusal is not None
    assert (refusal.code, refusal.retry_after) == ("database_unavailable", 7)
    assert "secret" not in refusal.message


def test_a_file_s_error_is_told_only_where_there_is_no_room() -> None:
    full = unwritable(OSError(errno.ENOSPC, "No space left on device"))
    assert full is not None
    assert full.code == "disk_full"
    assert unwritable(OSError(errno.EACCES, "Permission denied")) is None
    assert unwritable(ValueError()) is None
